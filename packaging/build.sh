#!/usr/bin/env bash
# packaging/build.sh VERSION [DIR]
#
# Builds a release into DIR (default dist): a static program, manual pages,
# completions, deb, rpm and archive, a bill of materials, and checksums.
# ARCHES says for which machines (default: this one). The same source and
# version give the same bytes, wherever and whenever they are built; the date in
# them is SOURCE_DATE_EPOCH, or else that of the last commit. NFPM names a
# program that makes packages (default: the nfpm that packaging/tools pins).
#
# Nothing is downloaded but Go modules.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
[ -z "${NFPM-}" ] || NFPM=$(realpath "$NFPM")
out=$(mkdir -p "${2:-dist}" && cd "${2:-dist}" && pwd)
cd "$(dirname "$0")/.."
export VERSION=${1#v}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # the program for a machine, once
	[ -e "$2" ] || CGO_ENABLED=0 GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.version=$VERSION" -o "$2" ./cmd/restaple
}

nfpm() {
	if [ -n "${NFPM-}" ]; then
		"$NFPM" "$@"
	else
		go run "github.com/goreleaser/nfpm/v2/cmd/nfpm@$(pinned github.com/goreleaser/nfpm/v2)" "$@"
	fi
}
pinned() { awk -v module="$1" '$1 == module { print $2 }' packaging/tools/go.mod; }

echo "documentation"
host=$work/restaple-$(go env GOHOSTARCH)
build "$(go env GOHOSTARCH)" "$host"
mkdir -p "$work"/{man,completions,deb} "$work"/doc/{agent,packaging}
"$host" docs man "$work/man"
gzip -9n "$work"/man/*
"$host" completion bash >"$work/completions/restaple.bash"
"$host" completion fish >"$work/completions/restaple.fish"
"$host" completion zsh >"$work/completions/_restaple"
# Documents name other files as they lie in the source, and so they lie here.
cp README.md SECURITY.md "$work/doc/"
cp agent/BENCHMARKS.md "$work/doc/agent/"
cp -r examples "$work/doc/"
cp -r packaging/{OPERATIONS.md,prometheus,grafana,helm} "$work/doc/packaging/"
rm -r "$work/doc/examples/internal"
find "$work/doc" -name '*.go' -delete
# What is named and written otherwise in Debian.
gzip -9n <CHANGELOG.md >"$work/deb/changelog.gz"
gzip -9n >"$work/deb/changelog.Debian.gz" <<END
restaple (${VERSION/-/\~}-1) unstable; urgency=medium

  * A release of restaple: changelog.gz says what is new.

 -- $(sed -n 's/^maintainer: //p' packaging/nfpm.yaml)  $(date -R -d "@$SOURCE_DATE_EPOCH")
END

for arch in ${ARCHES:-$(go env GOHOSTARCH)}; do
	echo "$arch: program, bill of materials"
	stage=$work/$arch
	name=restaple_${VERSION}_linux_$arch
	mkdir -p "$stage"
	cp -r "$work"/{man,completions,doc,deb} "$stage/"
	build "$arch" "$work/restaple-$arch"
	cp "$work/restaple-$arch" "$stage/restaple"
	CGO_ENABLED=0 go run -trimpath ./packaging/inventory -version "$VERSION" -sbom "$out/$name.cdx.json" \
		-licenses "$stage/doc/THIRD_PARTY_LICENSES" "$stage/restaple"
	# What is packed must not tell when and by whom it was.
	chmod -R u=rwX,go=rX "$stage"
	find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

	echo "$arch: packages"
	for kind in deb rpm; do
		STAGE=$stage ARCH=$arch nfpm package --config packaging/nfpm.yaml \
			--packager "$kind" --target "$out/$name.$kind" >"$work/nfpm.log" || { cat "$work/nfpm.log" >&2; exit 1; }
	done

	echo "$arch: archive"
	mkdir "$work/$name"
	cp -r "$stage"/{restaple,man,completions,doc} "$work/$name/"
	cp LICENSE CHANGELOG.md "$work/$name/doc/"
	cp -r packaging/systemd "$work/$name/systemd"
	rm -f "$work/$name"/systemd/*_test.go
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
		--mtime="@$SOURCE_DATE_EPOCH" --mode=go=rX,u+rw,a-s -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
done

cd "$out"
sha256sum -- restaple_"${VERSION}"_linux_* >SHA256SUMS
cat SHA256SUMS
