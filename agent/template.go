package agent

import (
	"crypto/md5"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// StaplePath expands a staple path template for a certificate: {path} is the
// certificate's path, {dir} its directory, {base} its file name, {name} the
// file name without its last extension, {md5} the MD5 sum of its path, by which
// hitch looks staples up in its ocsp-dir. The certificate's path is absolute; a
// relative result is relative to {dir}.
func StaplePath(template, cert string) string {
	if suffix, plain := strings.CutPrefix(template, "{path}"); plain && !strings.Contains(suffix, "{") && !strings.Contains(suffix, "/") {
		return cert + suffix // most templates are so, and every full look expands them all
	}
	dir, base := filepath.Dir(cert), filepath.Base(cert)
	sum := ""
	if strings.Contains(template, "{md5}") {
		sum = fmt.Sprintf("%x", md5.Sum([]byte(cert)))
	}
	out := strings.NewReplacer(
		"{path}", cert,
		"{dir}", dir,
		"{base}", base,
		"{name}", strings.TrimSuffix(base, filepath.Ext(base)),
		"{md5}", sum,
	).Replace(template)
	if !filepath.IsAbs(out) {
		out = filepath.Join(dir, out)
	}
	return filepath.Clean(out)
}

// certOf maps a staple file to its certificate for the watcher, which asks
// from its own goroutine.
func (a *Agent) certOf(path string) (cert string, ok bool) {
	if v, ok := a.elsewhere.Load(path); ok {
		return v.(string), true
	}
	return "", false
}

// CheckTemplate reports what is wrong with a staple path template, or nil.
func CheckTemplate(template string) error {
	rest := strings.NewReplacer("{path}", "", "{dir}", "", "{base}", "", "{name}", "", "{md5}", "").Replace(template)
	switch {
	case strings.ContainsAny(rest, "{}"):
		return fmt.Errorf("%q has a brace that belongs to none of {path} {dir} {base} {name} {md5}", template)
	case strings.HasSuffix(template, "/"):
		return fmt.Errorf("%q must name a file, such as %q", template, template+"{base}.ocsp")
	case StaplePath(template, "/d/n.e") == "/d/n.e":
		return errors.New("the staple would replace the certificate itself")
	}
	return nil
}
