package envoy

import (
	"bytes"
	"encoding/base64"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
	"gopkg.in/yaml.v3"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// bootstrap is what this test reads of envoy.yaml.
type bootstrap struct {
	StaticResources struct {
		Listeners []struct {
			FilterChains []struct {
				TransportSocket struct {
					TypedConfig struct {
						Type             string `yaml:"@type"`
						OCSPStaplePolicy string `yaml:"ocsp_staple_policy"`
						CommonTLSContext struct {
							Secrets []struct {
								Name      string
								SDSConfig struct {
									PathConfigSource struct{ Path string } `yaml:"path_config_source"`
								} `yaml:"sds_config"`
							} `yaml:"tls_certificate_sds_secret_configs"`
						} `yaml:"common_tls_context"`
					} `yaml:"typed_config"`
				} `yaml:"transport_socket"`
			} `yaml:"filter_chains"`
		}
	} `yaml:"static_resources"`
}

// sds is a file of secrets, in full.
type sds struct {
	Resources []struct {
		Type           string `yaml:"@type"`
		Name           string
		TLSCertificate struct {
			CertificateChain struct{ Filename string } `yaml:"certificate_chain"`
			PrivateKey       struct{ Filename string } `yaml:"private_key"`
			OCSPStaple       struct {
				InlineBytes string `yaml:"inline_bytes"`
			} `yaml:"ocsp_staple"`
		} `yaml:"tls_certificate"`
	}
}

const tlsTypes = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."

// TestEnvoyFilesFitTogether runs no Envoy: it follows the files from what Envoy
// reads first to the staple that restaple has placed.
func TestEnvoyFilesFitTogether(t *testing.T) {
	s := stage.New(t)
	s.Install("envoy.yaml", "/etc/envoy/envoy.yaml")
	s.Install("make-sds.sh", "/etc/envoy/make-sds.sh")
	if err := os.Chmod(s.Path("/etc/envoy/make-sds.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.InstallRestaple()

	var envoy bootstrap
	read(t, s.Path("/etc/envoy/envoy.yaml"), &envoy, false)
	tls := envoy.StaticResources.Listeners[0].FilterChains[0].TransportSocket.TypedConfig
	if got, want := tls.Type, tlsTypes+"DownstreamTlsContext"; got != want {
		t.Errorf("transport socket: got %s, want %s", got, want)
	}
	if policies := []string{"LENIENT_STAPLING", "STRICT_STAPLING", "MUST_STAPLE"}; !slices.Contains(policies, tls.OCSPStaplePolicy) {
		t.Errorf("ocsp_staple_policy: got %s, want one of %s", tls.OCSPStaplePolicy, policies)
	}
	secret := tls.CommonTLSContext.Secrets[0]

	certificate := stage.Certificate{Chain: "/etc/envoy/tls/site.pem", Key: "/etc/envoy/tls/site.key"}
	for _, what := range []string{"first", "renewed"} {
		t.Run(what, func(t *testing.T) {
			issued, err := s.PKI.Intermediate.Issue(lab.IssueOptions{Names: []string{stage.Name}})
			if err != nil {
				t.Fatal(err)
			}
			s.Put(certificate, issued)
			s.Refresh(0)

			var file sds
			read(t, secret.SDSConfig.PathConfigSource.Path, &file, true)
			got := file.Resources[0]
			if got.Type != tlsTypes+"Secret" || got.Name != secret.Name {
				t.Errorf("got %s %q, want the Secret %q", got.Type, got.Name, secret.Name)
			}
			chain := got.TLSCertificate.CertificateChain.Filename
			if chain != s.Path(certificate.Chain) || got.TLSCertificate.PrivateKey.Filename != s.Path(certificate.Key) {
				t.Errorf("got the files %+v", got.TLSCertificate)
			}
			der, err := base64.StdEncoding.DecodeString(got.TLSCertificate.OCSPStaple.InlineBytes)
			if err != nil {
				t.Fatal(err)
			}
			if placed, err := os.ReadFile(chain + ".ocsp"); err != nil || !bytes.Equal(der, placed) {
				t.Errorf("the staple in the secret is not the one that was placed (%v)", err)
			}
			r, err := ocsp.ParseResponseForCert(der, issued.Certificate, issued.Issuer.Certificate)
			if err != nil || r.Status != ocsp.Good || !r.NextUpdate.After(time.Now()) {
				t.Errorf("got %+v, %v, want a good staple of the certificate", r, err)
			}
		})
	}
}

// TestEnvoyGetsASecretWithoutAStaple because it opens no port without one.
func TestEnvoyGetsASecretWithoutAStaple(t *testing.T) {
	s := stage.New(t)
	s.Install("make-sds.sh", "/etc/envoy/make-sds.sh")
	if said, code := s.Run("sh", s.Path("/etc/envoy/make-sds.sh")); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	var file sds
	read(t, s.Path("/etc/envoy/sds.yaml"), &file, true)
	if got := file.Resources[0].TLSCertificate.OCSPStaple.InlineBytes; got != "" {
		t.Errorf("got the staple %s", got)
	}
}

// read reads a YAML file, which may have to have no keys but those of v.
func read(t *testing.T, path string, v any, strict bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(strict)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
