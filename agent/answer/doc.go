// Package answer is an OCSP responder for servers that cannot read a staple
// from a file: Apache, Java, nginx with two certificates in one server block.
// It signs nothing. It hands on what the CA's responder has signed and package
// staple has verified: the staples of the certificates that restaple looks
// after, from their files, and, if it is told to answer for whole issuers, what
// it has asked for itself and keeps in the state directory.
//
//	request ──parse──▶ CertID ──▶ managed? ──▶ staple file ─────────────▶ response
//	                      └─────▶ known issuer? ──▶ kept file ──▶ ask ──▶ response
//
// It is no proxy: who is asked follows from the issuer in the CertID, never
// from the URL or the Host of the request.
package answer
