#!/bin/sh
# Makes .venv from the hash-pinned requirements, once: the second call with the same requirements does nothing and needs no network.
#
#   PYTHON=python3 deploy/local/venv.sh run|dev|bench
#
# run: what a running platform needs; dev: and what check, test and lock need; bench: and the peers that bench measures against.
set -eu
cd "$(dirname "$0")/../.."
wanted=${1:?"which set: run, dev or bench"}
python=${PYTHON:-python3}
sets="run dev bench"
files_run="requirements/runtime.txt requirements/local.txt"
files_dev="$files_run requirements/dev.txt"
files_bench="$files_dev requirements/bench.txt"

fail() { printf '%s\n' "$@" >&2; exit 1; }

files_of() {
    case $1 in
        run) echo "$files_run" ;; dev) echo "$files_dev" ;; bench) echo "$files_bench" ;;
        *) fail "Unknown set of requirements: $1. It is run, dev or bench." ;;
    esac
}

# A set that contains the wanted one serves as well.
already_there() {
    .venv/bin/python -c '' 2>/dev/null || return 1
    seen=no
    for name in $sets; do
        [ "$name" = "$wanted" ] && seen=yes
        [ $seen = yes ] || continue
        # shellcheck disable=SC2046 # a list of files
        [ -f ".venv/.$name" ] && [ "$(cat ".venv/.$name")" = "$(cat $(files_of "$name") | sha256sum)" ] && return 0
    done
    return 1
}

files=$(files_of "$wanted")
already_there && exit 0
# shellcheck disable=SC2094 # the lock is only a name: two makes at once take turns
exec 9>.venv.lock
flock 9
already_there && exit 0

command -v "$python" >/dev/null || fail \
    "No $python here. Common Ground needs Python 3.11 or later:" \
    "    apt-get install python3 python3-venv        (or: make PYTHON=/path/to/python3.12)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
    "$("$python" --version) is too old: Common Ground needs Python 3.11 or later." \
    "Say which one to use:  make PYTHON=/path/to/python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail \
    "This Python cannot make virtual environments. On Debian and Ubuntu:  apt-get install python3-venv"

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/.run .venv/.dev .venv/.bench
echo "Installing what is pinned in $(echo "$files" | tr ' ' ',')"
# shellcheck disable=SC2046,SC2086 # lists of options
.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes \
    $(printf -- '-r %s ' $files) || fail "The requirements could not be installed (see above). Is a Python package index within reach?"

# The distributions are imported from where they are, so that a change needs no installation.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for distribution in chassis gateway services/groups services/events services/notifications; do
    printf '%s/%s\n' "$PWD" "$distribution"
done >"$site/commonground.pth"
# shellcheck disable=SC2086 # a list of files
cat $files | sha256sum >".venv/.$wanted"
