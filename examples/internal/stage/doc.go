// Package stage is where the examples are tried: it starts a CA with a
// responder, restaple and a TLS server, each as the process that a user would
// start, with the very files of the example, and looks at what they do from
// outside, as a TLS client.
//
// An example's files name the places they have on a real machine. On the stage
// those lie below a temporary directory, so nothing outside of it is touched.
package stage
