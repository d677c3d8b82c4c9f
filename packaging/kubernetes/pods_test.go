package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// words is what the scripts of these tests begin with: a lab, the Secret as
// the kubelet mounts and swaps it, and words to wait and look with. The programs
// run as the pod's user, without capabilities, with the very arguments of the
// manifests, and share their processes.
const words = `
until_() { # until a command succeeds, a minute at most
	for i in $(seq 600); do "$@" && return; sleep 0.1; done
	return 1
}
as_pod() { # replaces the shell
	exec setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
		env -i PATH="$PATH" STATE_DIRECTORY=/var/lib/restaple "$@"
}
restaple=/payload/restaple
# As the kubelet does (pkg/volume/util/atomic_writer.go): a new directory, a link
# to it that is renamed over the old one, then the old directory goes.
secret() {
	local old new f
	old=$(readlink /secret/..data || true)
	new=$(mktemp -d "/secret/..$(date +%Y_%m_%d_%H_%M_%S).XXXXXXXXX")
	chgrp $USER_ID "$new"
	chmod 2755 "$new"
	install -m 0440 -g $USER_ID /new.pem "$new/tls.crt"
	install -m 0440 -g $USER_ID /new.key "$new/tls.key"
	ln -s "$(basename "$new")" /secret/..data_tmp
	mv -T /secret/..data_tmp /secret/..data
	for f in tls.crt tls.key; do [ -L /secret/$f ] || ln -s ..data/$f /secret/$f; done
	[ -z "$old" ] || rm -r "/secret/$old"
}
issue() { $restaple lab issue /lab site.test --out /new.pem; }
look() { openssl s_client -connect 127.0.0.1:8443 -servername site.test -status </dev/null 2>/dev/null; }
serial_of() { openssl x509 -noout -serial | sed 's/.*=//'; }
# The serial of the certificate that is served, and that of its staple, if any.
served() { look | serial_of; }
stapled() { look | sed -n 's/^ *Serial Number: *//p' | head -1; }
both() { # are of the newest certificate
	local new; new=$(serial_of </new.pem)
	[ "$(served)" = "$new" ] && [ "$(stapled)" = "$new" ]
}
# Whoever connects meanwhile gets no staple, or one that fits.
watch() {
	while sleep 0.02; do
		local said; said=$(look) || continue
		local staple; staple=$(sed -n 's/^ *Serial Number: *//p' <<<"$said" | head -1)
		[ -z "$staple" ] || [ "$staple" = "$(serial_of <<<"$said")" ] || echo "$staple" >>/mismatch
	done
}
rm -rf /var/lib/restaple # of the machine that this is a copy of
mkdir -p /secret /etc/tls /etc/restaple /run/staples /run/haproxy /var/lib/restaple
# Volumes with an fsGroup are root's, and that group and all others may write.
for volume in /secret /run/staples /run/haproxy /var/lib/restaple; do
	chgrp $USER_ID $volume
	chmod 2777 $volume
done
mount --bind /secret /etc/tls
mount -o remount,bind,ro /etc/tls
$restaple lab init /lab
issue
secret
`

// pod starts restaple while its responder takes its time: only once it has
// answered does the probe let the server start.
const pod = `
$restaple lab fault /lab slow=2s
$restaple lab serve /lab &
until_ curl -s -o /dev/null http://127.0.0.1:8889/
(set +x; as_pod $restaple $RUN) &
sidecar=$!
for i in 1 2 3; do code=0; (as_pod $restaple $PROBE) || code=$?; [ $code = 1 ]; sleep 0.2; done
probe() { (as_pod $restaple $PROBE); }
until_ probe
$restaple lab fault /lab none
test -s /run/staples/tls.crt.ocsp
curl -sf http://127.0.0.1:9110/healthz
curl -sf http://127.0.0.1:9110/metrics | grep -c '^restaple_'
`

// nginxConf stands for the file of the image that includes the example's.
const nginxConf = `
pid /tmp/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path /tmp/t; proxy_temp_path /tmp/t; fastcgi_temp_path /tmp/t;
	uwsgi_temp_path /tmp/t; scgi_temp_path /tmp/t;
	include /payload/example/site.conf;
}
`

// end looks whether all went well to the end.
const end = `
test ! -e /mismatch
kill -TERM $sidecar
wait $sidecar
`

func TestPodWithNginx(t *testing.T) {
	play(t, "nginx", `
USER_ID=101
`+words+pod+`
(as_pod nginx -c /payload/nginx.conf -g 'daemon off; error_log stderr;') &
until_ both
(set +x; watch) &

# The certificate is renewed, three times.
for n in 1 2 3; do
	issue
	secret
	until_ both
done
grep -c . /run/staples/tls.crt.ocsp
`+end)
}

// TestPodThatDoesNotWait is about the other startup probe: the CA is down, and
// nginx is started all the same.
func TestPodThatDoesNotWait(t *testing.T) {
	play(t, "nginx", `
USER_ID=101
`+words+`
(set +x; as_pod $restaple $RUN) &
sidecar=$!
until_ curl -sf http://127.0.0.1:9110/readyz
test -s /run/staples/tls.crt.ocsp # the placeholder
(as_pod nginx -c /payload/nginx.conf -g 'daemon off; error_log stderr;') &
is_served() { [ "$(served)" = "$(serial_of </new.pem)" ]; }
until_ is_served
[ -z "$(stapled)" ]
$restaple lab serve /lab &
# It is asked again a minute after the first attempt.
until_ both || until_ both
`+end)
}

func TestPodWithAnInitContainer(t *testing.T) {
	play(t, "nginx-init", `
USER_ID=101
`+words+`
(sleep 2; exec $restaple lab serve /lab) &
time (as_pod $restaple $REFRESH)
test -s /run/staples/tls.crt.ocsp
(set +x; as_pod $restaple $RUN) &
sidecar=$!
until_ curl -sf http://127.0.0.1:9110/readyz
`+end)
}

func TestPodWithHAProxy(t *testing.T) {
	play(t, "haproxy", `
USER_ID=99
`+words+`
(as_pod sh -ec "$LINKS")
`+pod+`
ln -sf /payload/haproxy/haproxy.cfg /etc/haproxy/
(as_pod $SERVER) &
until_ both
(set +x; watch) &

# A newer staple gets into HAProxy by its socket.
update() { look | sed -n 's/^ *Produced At: //p'; }
old=$(update)
sleep 1.1 # times in responses have no fractions
$restaple lab renew /lab
(as_pod $restaple refresh --force $CONFIG)
[ "$(update)" != "$old" ]

# The certificate is renewed: HAProxy goes on with the earlier one.
old=$(served)
issue
secret
fits() { $restaple verify --cert /new.pem --response /run/staples/tls.crt.ocsp; }
until_ fits
[ "$(served)" = "$old" ]
`+end)
}

func TestPodWithHAProxyThatReloads(t *testing.T) {
	play(t, "haproxy-reload", `
USER_ID=99
`+words+`
(as_pod sh -ec "$LINKS")
`+pod+`
ln -sf /payload/haproxy/haproxy.cfg /etc/haproxy/
(as_pod $SERVER) &
until_ both
(set +x; watch) &
for n in 1 2 3; do
	issue
	secret
	until_ both
done
`+end)
}

// play runs a script on a machine with the example's files, and what its
// manifests say in variables.
func play(t *testing.T, variant, script string) {
	t.Helper()
	machine.Require(t, "pods")
	t.Parallel() // they wait more than they do
	dir := t.TempDir()
	binary := filepath.Join(dir, "restaple")
	if said, err := exec.Command("go", "build", "-o", binary, "../../cmd/restaple").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf), 0o644); err != nil {
		t.Fatal(err)
	}
	run := wordsOf(t, "base/deployment.yaml", "initContainers", "restaple", "args")
	probe := wordsOf(t, "base/deployment.yaml", "initContainers", "restaple", "startupProbe", "exec", "command")
	refresh := wordsOf(t, "nginx-init/containers.yaml", "initContainers", "first-staple", "args")
	server := wordsOf(t, "haproxy/server.yaml", "containers", "haproxy", "args")
	links := wordsOf(t, "haproxy/server.yaml", "initContainers", "links", "command")
	if run[0] != "run" || probe[0] != "/usr/bin/restaple" || refresh[0] != "refresh" || links[0] != "sh" {
		t.Fatalf("got %q %q %q %q", run, probe, refresh, links)
	}
	example := variant
	if variant == "nginx-init" {
		example = "nginx"
	}
	script = `
RUN=` + quote(run...) + `
PROBE=` + quote(probe[1:]...) + `
REFRESH=` + quote(refresh...) + `
SERVER=` + quote(server...) + `
LINKS=` + quote(links[2]) + `
CONFIG="--config /etc/restaple/restaple.yaml"
mkdir -p /etc/restaple
{ echo 'allow: [127.0.0.0/8]'; cat /payload/example/restaple.yaml; } >/etc/restaple/restaple.yaml
` + script
	machine.Machine{Files: map[string]string{
		"restaple":   binary,
		"nginx.conf": conf,
		"example":    filepath.Join(examples, example),
		"haproxy":    filepath.Join(examples, "haproxy"),
	}}.Run(t, script)
}

func quote(words ...string) string {
	return "'" + strings.ReplaceAll(strings.Join(words, " "), "'", `'\''`) + "'"
}

// wordsOf reads a list of words of a container from a manifest.
func wordsOf(t *testing.T, file, kind, container string, path ...string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(examples, file))
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := yaml.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	for _, c := range at(o, "spec", "template", "spec", kind).([]any) {
		if at(c, "name") != container {
			continue
		}
		var out []string
		for _, w := range at(c, path...).([]any) {
			out = append(out, w.(string))
		}
		return out
	}
	t.Fatalf("%s: no container %s", file, container)
	return nil
}
