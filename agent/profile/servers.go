package profile

// servers says how servers react to the content of the staple file. It was
// measured with nginx 1.22 and 1.31, HAProxy 2.6 to 3.5, lighttpd 1.4.69
// (mod_openssl), hitch 1.7.2, Exim 4.96 (GnuTLS) and Traffic Server 9.2.9;
// Envoy's is from its source.
func servers() []Reader {
	const unread = "it does not parse: "
	return []Reader{{Name: "nginx", rules: []rule{
		{Fails, unread + "no start, and a reload changes nothing", []Trait{blank, asText, garbage}},
		{Serves, "for ever, since it never looks at nextUpdate", []Trait{expired}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it never looks at nextUpdate, so reload it in time", []Trait{endingSoon}},
		{Serves, "it verifies nothing", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical, badWindow,
			saysRevoked, saysUnknown, farFuture, future, oddProduced, leafEnded}},
		{Serves, "", []Trait{multi, sha256ID, noNextUpdate, over16K, over10K, old, good}},
	}}, {Name: "haproxy", rules: []rule{
		{Ignores, unread + "a warning at start", []Trait{blank, asText, garbage}},
		{Ignores, "its responseStatus is not successful", []Trait{tryLater, unstapled, errorStatus}},
		{Ignores, "the CertID is not that of the certificate", []Trait{mismatch}},
		{Ignores, "it looks up SHA-1 CertIDs only", []Trait{sha256ID}},
		{Ignores, "it wants exactly one SingleResponse", []Trait{multi}},
		{Ignores, "it wants a nextUpdate", []Trait{noNextUpdate}},
		{Ignores, "the status is unknown", []Trait{saysUnknown}},
		{Ignores, "it is not in its time", []Trait{expired, future, farFuture, badWindow}},
		{Ignores, "it stops 300 s before nextUpdate", []Trait{endingSoon}},
		{Ignores, "it reads at most 16384 octets (tune.bufsize)", []Trait{over16K}},
		{Serves, "together with the octets that follow it", []Trait{trailing}},
		{Serves, "it does not mind the status revoked", []Trait{saysRevoked}},
		{Serves, "it verifies no signature", []Trait{badSignature, notAuthorized}},
		{Serves, "", []Trait{critical, oddProduced, leafEnded}},
		{Serves, "from its file, after a reload: its socket takes no more than about 11500 octets (tune.bufsize)", []Trait{over10K}},
		{Serves, "", []Trait{old, good}},
	}}, {Name: "lighttpd", rules: []rule{
		{Ignores, unread + "a line in the log", []Trait{blank, asText, garbage}},
		{Ignores, "nextUpdate has passed", []Trait{expired, badWindow}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it drops it a minute or two after nextUpdate", []Trait{endingSoon}},
		{Serves, "it looks at nothing but nextUpdate", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical,
			saysRevoked, saysUnknown, farFuture, future, oddProduced, leafEnded}},
		{Serves, "", []Trait{multi, sha256ID, noNextUpdate, over16K, over10K, old, good}},
	}}, {Name: "hitch", rules: []rule{
		{Fails, hitchFails, []Trait{blank, asText, garbage, tryLater, unstapled, errorStatus, mismatch, badSignature,
			saysRevoked, saysUnknown, sha256ID}},
		{Serves, "it does not ask who may sign", []Trait{notAuthorized}},
		{Ignores, "nextUpdate has passed", []Trait{expired, badWindow}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it drops it at nextUpdate", []Trait{endingSoon}},
		{Serves, "", []Trait{critical, farFuture, future, oddProduced, leafEnded, multi, noNextUpdate, over16K, over10K, old, good}},
	}}, {Name: "exim", rules: []rule{
		{Fails, "no TLS any more, unless the configuration says PEM before the path", []Trait{asText}},
		{Fails, "no TLS any more (as Debian builds it, with GnuTLS)", []Trait{blank, garbage, trailing, tryLater, unstapled, errorStatus, mismatch,
			expired, badWindow, saysRevoked}},
		{Serves, "no TLS any more if it is read again after nextUpdate", []Trait{endingSoon}},
		{Serves, "it verifies no signature", []Trait{badSignature, notAuthorized}},
		{Serves, "", []Trait{critical, saysUnknown, farFuture, future, oddProduced, leafEnded, multi, sha256ID, noNextUpdate,
			over16K, over10K, old, good}},
	}}, {Name: "trafficserver", rules: []rule{
		{Ignores, unread + "a line in the log", []Trait{blank, asText, garbage}},
		{Fails, "it has room for 10240 octets: its process ends", []Trait{over16K, over10K}},
		{Fails, "it loads no certificate that has expired", []Trait{leafEnded}},
		{Serves, "for ever, since it never looks at nextUpdate", []Trait{expired}},
		{Serves, "it never looks at nextUpdate, so reload it in time", []Trait{endingSoon}},
		{Serves, "it verifies nothing", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical, badWindow,
			saysRevoked, saysUnknown, farFuture, future, oddProduced}},
		{Serves, "", []Trait{trailing, multi, sha256ID, noNextUpdate, old, good}},
	}}, {Name: "envoy", rules: []rule{
		{Fails, unread + "the configuration is refused", []Trait{asText, garbage, trailing}},
		{Fails, "the configuration is refused: the responseStatus is not successful", []Trait{tryLater, unstapled, errorStatus}},
		{Fails, "the configuration is refused: it is about another serial", []Trait{mismatch}},
		{Fails, "the configuration is refused: it wants exactly one SingleResponse", []Trait{multi}},
		{Ignores, "an empty ocsp_staple is none", []Trait{blank}},
		{Ignores, "it is over, with the lenient ocsp_staple_policy; the others refuse connections or the configuration", []Trait{expired, badWindow}},
		{Ignores, "without nextUpdate it counts as expired", []Trait{noNextUpdate}},
		{Serves, "it drops it at nextUpdate", []Trait{endingSoon}},
		{Serves, "it verifies neither signature nor status", []Trait{notAuthorized, badSignature, saysRevoked, saysUnknown}},
		{Serves, "", []Trait{critical, farFuture, future, oddProduced, leafEnded, sha256ID, over16K, over10K, old, good}},
	}}}
}

const hitchFails = "no start with it as ocsp-resp-file; in ocsp-dir the last good one stays"
