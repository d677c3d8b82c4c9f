#!/bin/sh
# openssl s_server reads the staple at each handshake, and the certificate and
# the key only when it starts. -CAfile is where it finds the intermediate.
exec openssl s_server -accept 4433 -www \
    -cert /etc/ssl/site/site.pem -key /etc/ssl/site/site.key -CAfile /etc/ssl/site/site.pem \
    -status_file /etc/ssl/site/site.pem.ocsp
