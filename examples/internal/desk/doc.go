// Package desk tries the examples of servers that read no staple from a file
// but ask for it: restaple is their responder. It is to them what package stage
// is to the others, on the same stage.
package desk
