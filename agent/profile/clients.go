package profile

// clients says how clients react to a staple. It was measured with GnuTLS
// 3.7.9 (gnutls-cli, and wget and git of Debian, which use it), curl 7.88
// --cert-status, openssl s_client 3.0 and Firefox 153; Chromium's is from what
// its developers have said of it.
func clients() []Reader {
	const own = "it goes on as without a staple"
	return []Reader{{Name: "firefox", Client: true, rules: []rule{
		{Refuses, "it does not parse", []Trait{blank, asText, garbage, trailing, badWindow}},
		{Refuses, "the responseStatus is not successful", []Trait{errorStatus}},
		{Refuses, "the certificate demands a staple", []Trait{unstapled}},
		{Refuses, "from a day after nextUpdate on, unless it asks the responder itself and gets an answer", []Trait{expired}},
		{Refuses, "the signature does not verify", []Trait{badSignature}},
		{Refuses, "an unknown critical extension", []Trait{critical}},
		{Refuses, "thisUpdate is more than a day ahead", []Trait{farFuture}},
		{Refuses, "the status is not good", []Trait{saysRevoked, saysUnknown}},
		{Refuses, "the certificate itself has expired", []Trait{leafEnded}},
		{Ignores, "it is about another certificate; it may ask the responder itself", []Trait{mismatch}},
		{Ignores, "it looks up SHA-1 CertIDs only; it may ask the responder itself", []Trait{sha256ID}},
		{Ignores, "it may ask the responder itself", []Trait{tryLater, notAuthorized}},
		{Accepts, "thisUpdate may be a day ahead", []Trait{future}},
		{Accepts, "until two days after thisUpdate", []Trait{noNextUpdate}},
		{Accepts, "until ten days after thisUpdate", []Trait{old}},
		{Accepts, "", []Trait{oddProduced, multi, emptyList, over16K, over10K, endingSoon, good}},
	}}, {Name: "chromium", Client: true, rules: []rule{
		{Refuses, "revoked", []Trait{saysRevoked}},
		{Refuses, "a staple without octets is no TLS", []Trait{blank}},
		{Refuses, "the certificate itself has expired", []Trait{leafEnded}},
		{Ignores, own, []Trait{asText, garbage, trailing, tryLater, unstapled, errorStatus, mismatch,
			notAuthorized, badSignature, critical, badWindow, saysUnknown, expired, farFuture, future, oddProduced}},
		{Ignores, "it does not parse", []Trait{emptyList}},
		{Ignores, "thisUpdate is more than seven days ago", []Trait{old}},
		{Accepts, "", []Trait{multi, sha256ID, noNextUpdate, over16K, over10K, endingSoon, good}},
	}}, {Name: "gnutls", Client: true, rules: []rule{
		{Refuses, "it does not parse" + asDebian, []Trait{blank, asText, garbage, trailing}},
		{Refuses, "it is old" + asDebian, []Trait{expired, badWindow}},
		{Refuses, "revoked" + asDebian, []Trait{saysRevoked}},
		{Refuses, "it is about another certificate" + asDebian, []Trait{mismatch}},
		{Refuses, "the signature does not verify" + asDebian, []Trait{notAuthorized, badSignature}},
		{Refuses, "the certificate demands a staple", []Trait{unstapled}},
		{Refuses, "the certificate itself has expired", []Trait{leafEnded}},
		{Ignores, own, []Trait{tryLater, errorStatus}},
		{Accepts, "if the SingleResponse of the certificate is the first, otherwise it refuses", []Trait{multi}},
		{Accepts, "it does not mind", []Trait{saysUnknown, farFuture, future, critical, oddProduced}},
		{Accepts, "", []Trait{sha256ID, noNextUpdate, emptyList, over16K, over10K, endingSoon, old, good}},
	}}, {Name: "curl", Client: true, rules: []rule{
		{Refuses, curlRefuses, []Trait{blank, asText, garbage, tryLater, unstapled, errorStatus, mismatch, sha256ID, notAuthorized, badSignature,
			badWindow, saysRevoked, saysUnknown, expired, farFuture, future}},
		{Refuses, "the certificate itself has expired", []Trait{leafEnded}},
		{Refuses, opensslSize, []Trait{over16K}},
		{Accepts, "it does not mind", []Trait{critical, oddProduced, trailing}},
		{Accepts, "", []Trait{multi, noNextUpdate, emptyList, over10K, endingSoon, old, good}},
	}}, {Name: "openssl", Client: true, rules: []rule{
		{Refuses, "it does not parse", []Trait{blank, asText, garbage}},
		{Refuses, opensslSize, []Trait{over16K}},
		{Refuses, "with -verify_return_error: the certificate itself has expired", []Trait{leafEnded}},
		{Accepts, "s_client -status prints it and looks no further", []Trait{trailing, tryLater, unstapled, errorStatus, mismatch, notAuthorized,
			badSignature, critical, badWindow, saysRevoked, saysUnknown, expired, farFuture, future, oddProduced, multi, sha256ID,
			noNextUpdate, emptyList, over10K, endingSoon, old, good}},
	}}}
}

const opensslSize = "by TLS 1.2, OpenSSL takes no more than 16 KiB"

const asDebian = ", for wget and git of Debian too"

const curlRefuses = "with --cert-status; without it, curl does not look"
