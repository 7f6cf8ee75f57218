#!/bin/sh
# Finds a Python 3.10 to 3.13 or fetches one into this folder, and starts sdlora with it. Needs nothing installed.
# start.command is the same file, for a double click on macOS.
cd "$(dirname "$0")" || exit 1
UV_VERSION=0.13.9
FITS='import ensurepip, ssl, sys, venv; sys.exit(not ((3, 10) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))'

say() { printf '%s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

# The address and the SHA-256 of uv's wheel on PyPI for this machine.
choose() {
  files=https://files.pythonhosted.org/packages
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
      URL=$files/3d/aa/26d64642d808de4a652579ef950d7cd2d37f080a8babf9c67c6b75fc4c3f/uv-$UV_VERSION-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
      SUM=d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 ;;
    Linux-aarch64 | Linux-arm64)
      URL=$files/fe/2f/51a5de367c602592c018a42a23d57fba5f2689fe6c3bf025dcf043b39c61/uv-$UV_VERSION-py3-none-manylinux_2_28_aarch64.whl
      SUM=ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375 ;;
    Darwin-arm64)
      URL=$files/f3/a7/a8d7b074798c7fb3b26b37584b8fe2e29df2ccdc24ce7902caab2a53edbf/uv-$UV_VERSION-py3-none-macosx_11_0_arm64.whl
      SUM=66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63 ;;
    *) fail "No Python 3.10 to 3.13 was found, and none is fetched for $(uname -s) on $(uname -m): install Python 3.12 and start again." ;;
  esac
}

download() {
  if command -v curl >/dev/null 2>&1; then curl -fsSL --retry 2 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then wget -q -O "$2" "$1"
  else fail "Neither curl nor wget is there to fetch a Python with: install one of them, or Python 3.12, and start again."
  fi
}

sum_of() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256 "$1" | cut -d ' ' -f 1
  else openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  fi
}

unpack() {
  if command -v unzip >/dev/null 2>&1; then unzip -qo "$1" -d "$2"
  elif command -v bsdtar >/dev/null 2>&1; then bsdtar -xf "$1" -C "$2"
  elif command -v busybox >/dev/null 2>&1; then busybox unzip -qo "$1" -d "$2"
  elif [ "$(uname -s)" = Darwin ]; then tar -xf "$1" -C "$2"
  else fail "unzip is not there: install it (Debian, Ubuntu: sudo apt install unzip), or Python 3.12, and start again."
  fi
}

fetch() {
  say "No Python 3.10 to 3.13 was found: fetching one into .python, once."
  choose
  mkdir -p .python/uv || fail "No permission to write in $(pwd): move the folder to a place of your own and start again."
  download "$URL" .python/uv.zip || fail "$URL can't be reached: check the network (behind a proxy set HTTPS_PROXY) and start again."
  if [ "$(sum_of .python/uv.zip)" != "$SUM" ]; then
    rm -f .python/uv.zip
    fail "What was fetched from $URL is not what it should be: nothing of it was run. Start again, or install Python 3.12."
  fi
  unpack .python/uv.zip .python/uv || fail "What was fetched can't be unpacked: is the disk full?"
  rm -f .python/uv.zip
  uv=.python/uv/uv-$UV_VERSION.data/scripts/uv
  chmod +x "$uv"
  # uv checks the sum of the Python that it fetches.
  "$uv" python install --quiet --no-bin --install-dir .python 3.12 ||
    fail "Python could not be fetched by uv: check the network (a mirror: UV_PYTHON_INSTALL_MIRROR), or install Python 3.12."
}

PYTHON=
for place in .python/*/bin/python3.12 python3.12 python3.11 python3.13 python3.10 python3 python; do
  if command -v "$place" >/dev/null 2>&1 && "$place" -c "$FITS" >/dev/null 2>&1; then
    PYTHON=$place
    break
  fi
done
if [ -z "$PYTHON" ]; then
  fetch
  for place in .python/*/bin/python3.12; do PYTHON=$place; done
  "$PYTHON" -c "$FITS" >/dev/null 2>&1 || fail "The Python that was fetched does not run: delete .python, or install Python 3.12, and start again."
fi
exec "$PYTHON" launch.py "$@"
