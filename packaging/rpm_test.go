package packaging

import (
	"testing"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// TestRPMIsInstalledUpgradedAndRemoved does so with rpm on this machine, which
// need not be of a distribution that has it.
func TestRPMIsInstalledUpgradedAndRemoved(t *testing.T) {
	machine.Require(t, "rpm")
	t.Parallel()
	m := machine.Machine{Systemd: true, Files: map[string]string{"old.rpm": file(t, "1.2.3", ".rpm"), "new.rpm": file(t, "1.3.0", ".rpm")}}
	m.Run(t, `
rpm --initdb
rpm --install --nodeps /payload/old.rpm
restaple version | grep 'restaple 1\.2\.3 '
getent passwd restaple | grep ':/var/lib/restaple:'
[ "$(rpm -qc restaple)" = /etc/restaple/restaple.yaml ]
rpm --verify --nodeps restaple
[ "$(systemctl is-enabled restaple.service || true)" = disabled ]

# A changed configuration survives, and what runs runs the new version.
mkdir -p /srv/tls
printf 'certificates: [{paths: [/srv/tls]}] # mine\n' >/etc/restaple/restaple.yaml
systemctl enable --now restaple.service
old=$(systemctl show -P MainPID restaple.service)
rpm --upgrade --nodeps /payload/new.rpm
restaple version | grep 'restaple 1\.3\.0 '
grep '# mine' /etc/restaple/restaple.yaml
systemctl is-active restaple.service
[ "$(systemctl show -P MainPID restaple.service)" != "$old" ]

rpm --erase --nodeps restaple
not systemctl is-active restaple.service
not command -v restaple
grep '# mine' /etc/restaple/restaple.yaml.rpmsave
`)
}
