package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/prove"
)

// certificates reads the list of certificates. The same path twice with the
// same staple path would be two writers of one file.
func (r *reader) certificates(c *Config, v value) {
	owners := make(map[string]string) // path and template → field
	v.items(func(v value) {
		one := DefaultCertificates()
		var paths []value
		template := v
		var snippet, reserve, chainPath *value // where they stand
		g := v.keys(
			key{"paths", func(v value) {
				one.Paths = filledList(v, func(v value) (string, bool) {
					s, ok := v.pattern()
					if ok {
						paths = append(paths, v)
					}
					return s, ok
				})
			}},
			key{"recursive", into(&one.Recursive, value.boolean)},
			key{"server", into(&one.Server, oneOf(profile.Names()...))},
			key{"staple", func(v value) {
				template = v
				into(&one.Staple, value.template)(v)
			}},
			key{"snippet", func(v value) {
				into(&one.Snippet, value.template)(v)
				one.Snippet = absoluteTemplate(v, one.Snippet)
				snippet = &v
			}},
			key{"snippet_file_only", into(&one.SnippetFileOnly, value.boolean)},
			key{"reserve", func(v value) { into(&one.Reserve, value.boolean)(v); reserve = &v }},
			key{"issuers_chain_path", func(v value) { into(&one.IssuersChainPath, value.boolean)(v); chainPath = &v }},
			key{"mode", into(&one.Mode, value.fileMode)},
			key{"owner", into(&one.Owner, value.account)},
			key{"group", into(&one.Group, value.account)},
			key{"responder", into(&one.Responder, value.webURL)},
			key{"issuers", listInto(&one.Issuers, value.filePath)},
			key{"on_revoked", into(&one.OnRevoked, oneOf("withdraw", "publish", "keep"))},
			key{"on_unknown", into(&one.OnUnknown, oneOf("keep", "publish"))},
			key{"strict", into(&one.Strict, value.boolean)},
			key{"hooks", func(v value) { one.Hooks = r.usedHooks(v) }},
			key{"prove", listInto(&one.Prove, value.proveAddress)},
		)
		v.need(g, "paths")
		template.checkTemplate(one)
		if snippet != nil && one.Server != "nginx" {
			snippet.fail("is for server: nginx only, here it is %s", one.Server)
		}
		if snippet != nil && strings.ContainsAny(one.Snippet+one.Staple, "\"\\\n") {
			snippet.fail("must not have quotes or backslashes in it: nginx has to read the path")
		}
		if reserve != nil && one.Reserve && one.Server != "haproxy" {
			reserve.fail("is for server: haproxy only, here it is %s", one.Server)
		}
		if chainPath != nil && one.IssuersChainPath && one.Server != "haproxy" {
			chainPath.fail("is for server: haproxy only, here it is %s", one.Server)
		}
		for i, path := range one.Paths {
			owner := path + "\x00" + stapleTemplate(one)
			if first, taken := owners[owner]; taken {
				paths[i].fail("is already in %s, with the same staple path", first)
				continue
			}
			owners[owner] = paths[i].path
		}
		c.Certificates = append(c.Certificates, one)
	})
}

// meta are the characters that make a path a glob.
const meta = "*?[{"

// pattern is a file, a directory or a glob.
func (v value) pattern() (string, bool) {
	s, ok := v.filePath()
	if ok && strings.ContainsAny(s, meta) && !doublestar.ValidatePathPattern(s) {
		v.fail("%s is not a valid glob", quoted(s))
		return "", false
	}
	return s, ok
}

var (
	placeholder  = regexp.MustCompile(`\{[^{}]*\}`)
	placeholders = []string{"{dir}", "{name}", "{base}", "{path}", "{md5}"}
)

// template is where staples go.
func (v value) template() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	for _, p := range placeholder.FindAllString(s, -1) {
		if !slices.Contains(placeholders, p) {
			v.fail("unknown placeholder %s, %s", quoted(p), suggest(p, placeholders))
			return "", false
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(s, ""), "{}") {
		v.fail("a brace belongs to no placeholder in %s", quoted(s))
		return "", false
	}
	if strings.HasSuffix(s, "/") {
		v.fail("must name a file, such as %s", quoted(s+"{base}.ocsp"))
		return "", false
	}
	return s, true
}

// absoluteTemplate makes sure that a snippet's place does not depend on the
// certificate's directory, which no include line could follow.
func absoluteTemplate(v value, s string) string {
	if s != "" && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "{dir}") {
		v.fail("must begin with / or {dir}, such as /etc/nginx/staple.d/{name}.conf")
		return ""
	}
	return s
}

// stapleTemplate is the template that holds for c.
func stapleTemplate(c *Certificates) string {
	if c.Staple != "" {
		return c.Staple
	}
	p, err := profile.ByName(c.Server)
	if err != nil {
		return ""
	}
	return p.Template
}

// checkTemplate finds staple paths that cannot differ although there is more
// than one certificate, or that are the certificate itself.
func (v value) checkTemplate(c *Certificates) {
	t := stapleTemplate(c)
	several := c.Recursive || len(c.Paths) > 1 || len(c.Paths) == 1 && strings.ContainsAny(c.Paths[0], meta)
	switch {
	case t == "{path}" || t == "{base}" || t == "{dir}/{base}":
		v.fail("would replace the certificate itself")
	case several && !placeholder.MatchString(t):
		v.fail("gives all certificates the same staple path, put one of %s into it", strings.Join(placeholders, ", "))
	}
}

var accountName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$`)

// proveAddress is where a staple is served.
func (v value) proveAddress() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if _, err := prove.ParseAddress(s); err != nil {
		v.fail("%v", err)
		return "", false
	}
	return s, true
}

// account is the name or the number of a user or a group. Whether there is one
// is for the machine that uses the file.
func (v value) account() (string, bool) {
	s, ok := v.text()
	if ok && !accountName.MatchString(s) {
		v.fail("must be a name or a number, got %s", quoted(s))
		return "", false
	}
	return s, ok
}
