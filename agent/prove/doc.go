// Package prove asks a TLS server for its staple, as a client does, and says
// whether it is what it should be. A server may have read a file, said that
// all is well, and serve something else: only a handshake shows what clients
// get.
//
// Nothing here trusts or distrusts the server's certificate: private PKIs are
// common, and what counts is the staple, which is verified against the chain
// that the server presents.
package prove
