// Package schedule says when a staple is due: when to refresh it, when to ask
// again after an answer that did not help, when to alarm and when to withdraw.
// All of it is pure: wall-clock times go in and come out, so that a suspended
// machine or a clock that was set needs no special care.
//
// A staple's window is the time from its thisUpdate to its effective expiry.
// Private CAs have windows of minutes, public ones of days, and some write the
// year 9999; every rule here holds for all of them.
package schedule
