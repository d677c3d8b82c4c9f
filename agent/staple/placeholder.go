package staple

// placeholder is an OCSPResponse with responseStatus tryLater.
const placeholder = "\x30\x03\x0a\x01\x03"

// Placeholder returns the one response that is written without being a
// staple: an unsigned tryLater, for servers that cannot start without a file.
// It vouches for nothing, and clients treat it as if there were no staple.
func Placeholder() []byte { return []byte(placeholder) }

// IsPlaceholder reports whether a file holds the placeholder.
func IsPlaceholder(der []byte) bool { return string(der) == placeholder }
