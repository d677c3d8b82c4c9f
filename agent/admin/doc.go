// Package admin shows how an agent stands, on a listener of its own.
//
//	/             the status page
//	/api/status   the same as JSON, as restaple status -o json prints it
//	/metrics      for Prometheus
//	/healthz      200 while the agent's loop answers
//	/readyz       200 once the first pass is over
//
// On a Unix socket, and only there, it also takes two requests:
//
//	POST /api/rescan                 look at all files now
//	POST /api/refresh[?path=FILE…]   ask about all certificates, or these, now
//
// Whoever may connect to the socket may do that; its mode is 0660. On TCP
// anybody on the machine could, and every web page in a browser on it.
//
// Nothing here waits for the agent more often than once a second, and with
// many certificates less often than that: what is shown may be a little old.
//
// TestScreenshots leaves pictures of the page in all its looks in the directory
// that RESTAPLE_TEST_SCREENSHOTS names. Look at them after a change of it.
package admin
