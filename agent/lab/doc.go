// Package lab is a throwaway PKI: a CA and an OCSP responder that can be told
// to misbehave. Tests, `restaple lab` and `restaple demo` run against it.
// Nothing in it is fit for production: its keys protect nothing.
package lab
