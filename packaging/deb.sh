#!/bin/bash
# Builds dist/dsked_VERSION-1~debRELEASE_ARCHITECTURE.deb for the Debian release that this runs on: `make deb`.
# DEBFULLNAME and DEBEMAIL name its maintainer. lintian, where it is installed, must find no error, and nothing to warn of.
source "$(dirname "$0")/common.sh"

python=/usr/bin/python3 # Debian's, on which the package runs
# What Debian has, as good as the tested versions: packaging/debian/control depends on it. pycparser serves building.
debians='attrs idna pygments pyyaml typing-extensions pycparser'
library=usr/lib/dsked
documents=usr/share/doc/dsked

python_versions='import sys
print("python3 (>= {0}.{1}~), python3 (<< {0}.{2}~)".format(*sys.version_info[:2], sys.version_info[1] + 1))'

tree=$work/tree
root=$tree/root
version=$version-1~deb$(. /etc/os-release && echo "${VERSION_ID:-$VERSION_CODENAME}")
maintainer="${DEBFULLNAME:-The dsked maintainers} <${DEBEMAIL:-maintainers@dsked.invalid}>"

for tool in dpkg-buildpackage dh dh_python3 fakeroot; do
    command -v "$tool" >/dev/null || fail "$tool is missing; as root: apt-get install debhelper dh-python dpkg-dev fakeroot"
done

# The libraries that Debian lacks, at the versions and hashes of requirements.lock, and dsked itself.
stage_python() {
    mapfile -t carried < <("$bin/python" packaging/libraries.py names | grep -vxF "$(tr ' ' '\n' <<<"$debians")")
    printf '%s\n' "${carried[@]}" | locked >"$work/carried.lock"
    "$bin/python" -m pip --python "$python" --quiet --disable-pip-version-check --no-input install --no-deps \
        --no-compile --no-warn-script-location --root-user-action ignore --only-binary :all: --require-hashes --requirement "$work/carried.lock" --target "$root/$library"
    "$bin/python" packaging/libraries.py licences "$root/$library" "$root/$documents/licences" "${carried[@]}"
    rm -rf "$root/$library"/*.dist-info "$root/$library/bin"
    # Of libraries only what runs: no sources of compiled modules, types, tests, and no modules as programs.
    find "$root/$library" -type f ! -name '*.py' \( ! -name '*.so' -o -name '_testcapi*' \) -delete
    find "$root/$library" -type d -empty -delete
    find "$root/$library" -name '*.py' -exec sed -i '1{/^#!/d}' {} +
    copy_package "$root/$library"
}

stage_programs() {
    mkdir -p "$root/usr/bin"
    for program in dsked dskectl; do
        sed "s/@PROGRAM@/$program/" packaging/program.py.in >"$root/usr/bin/$program"
        chmod 755 "$root/usr/bin/$program"
    done
}

# What documents link to stands elsewhere in a package, or is not in it: of such a link the words are left.
relink_documents() {
    find "$root/$documents" -name '*.md' -exec sed -Ei '
        s#\]\(\.\./configs/logrotate/dsked\)#](/etc/logrotate.d/dsked)#g
        s#\]\(\.\./configs/#](../examples/#g
        s#\]\(CHANGELOG\.md\)#](changelog.gz)#g
        s#\[([^][]+)\]\((\.\./tests/|vectors/|LICENSE)[^)]*\)#\1#g' {} +
}

stage_documents() {
    install -D --mode 644 --target-directory "$root/$documents" README.md SECURITY.md
    install -D --mode 644 --target-directory "$root/$documents/docs" docs/*.md docs/*.svg
    install -D --mode 644 --target-directory "$root/$documents/docs/figures" docs/figures/*
    install -D --mode 644 --target-directory "$root/$documents/proto" proto/*.md proto/*.cddl
    install -D --mode 644 --target-directory "$root/$documents/proto/figures" proto/figures/*
    relink_documents
    install -D --mode 644 --target-directory "$root/usr/share/dsked/wireshark" scripts/wireshark/*
    cp CHANGELOG.md "$tree/"
    mkdir -p "$root/$documents/examples"
    cp -R configs/*.yaml configs/prometheus configs/grafana "$root/$documents/examples/"
}

stage_debian() {
    cp -R packaging/debian "$tree/debian"
    cp configs/systemd/*.service configs/systemd/*.sysusers configs/systemd/*.tmpfiles "$tree/debian/"
    cp configs/logrotate/dsked "$tree/debian/dsked.logrotate"
    sed -i "s/@MAINTAINER@/$maintainer/; s/@PYTHON@/$("$python" -c "$python_versions")/" "$tree/debian/control"
    printf 'dsked (%s) unstable; urgency=medium\n\n  * CHANGELOG.md has what is new.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")" >"$tree/debian/changelog"
}

mkdir -p "$root" "$dist"
stage_python
stage_programs
stage_manual "$root/usr/share"
stage_documents
stage_debian
# Nothing is compiled: what every build is said to need (a compiler) is not asked for.
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >"$work/log" 2>&1) ||
    { cat "$work/log" >&2; exit 1; }
package=$(basename "$work"/dsked_*.deb)
mv "$work/$package" "$dist/"
say "$(cd "$dist" && sha256sum "$package")"
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$dist/$package"
else
    say "not checked: lintian is not installed"
fi
