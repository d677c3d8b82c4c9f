#!/bin/sh
# Writes the secret that Envoy reads, with the newest staple in it. A staple in
# a file of its own would not do: Envoy looks at such a file again only if the
# certificate or the key has changed.
set -eu
certificate=/etc/envoy/tls/site.pem
key=/etc/envoy/tls/site.key
secret=/etc/envoy/sds.yaml

new=$(dirname "$secret")/.sds.yaml.new
{
    echo 'resources:'
    echo '  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
    echo '    name: site'
    echo '    tls_certificate:'
    echo "      certificate_chain: { filename: $certificate }"
    echo "      private_key: { filename: $key }"
    if [ -s "$certificate.ocsp" ]; then
        echo "      ocsp_staple: { inline_bytes: $(base64 -w 0 "$certificate.ocsp") }"
    fi
} >"$new"
mv "$new" "$secret" # Envoy waits for this
