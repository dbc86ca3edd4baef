#!/bin/sh
# Installs the peers that incc is measured and checked against, each once, into
# $INCC_PEERS (default: ~/.cache/incc/peers). See doc.go.
#
#   install.sh [ort] [torch]        default: ort
set -eu
dir=${INCC_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/incc/peers}
mkdir -p "$dir"
case "$(uname -m)" in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "no ONNX Runtime for $(uname -m)" >&2; exit 1 ;; esac

# The package's install script would fetch GPU libraries from elsewhere; the CPU
# library is in the package itself.
ort() {
	lib=$dir/ort-$1/libonnxruntime.so.1
	[ -e "$lib" ] && return
	rm -rf "$dir/ort-$1.tmp"
	mkdir -p "$dir/ort-$1.tmp"
	npm install --ignore-scripts --no-audit --no-fund --no-save --loglevel=error --prefix "$dir/ort-$1.tmp" "onnxruntime-node@$1" >&2
	found=$(find "$dir/ort-$1.tmp" -path "*/linux/$arch/libonnxruntime.so.1" | head -n 1)
	[ -n "$found" ] || { echo "onnxruntime-node $1 has no library for linux/$arch" >&2; exit 1; }
	mkdir -p "$dir/ort-$1"
	mv "$found" "$lib"
	rm -rf "$dir/ort-$1.tmp"
	echo "ONNX Runtime $1: $lib"
}

torch() {
	[ -e "$dir/torch-$1/.complete" ] && return
	rm -rf "$dir/torch-$1"
	python3 -m venv "$dir/torch-$1"
	"$dir/torch-$1/bin/pip" install -q "torch==$1" numpy onnx >&2
	touch "$dir/torch-$1/.complete"
	echo "PyTorch $1: $dir/torch-$1"
}

[ $# -gt 0 ] || set -- ort
for what; do
	case $what in
	ort) ort 1.30.0; ort 1.20.1 ;;
	torch) torch 2.15.0 ;;
	*) echo "usage: install.sh [ort] [torch]" >&2; exit 2 ;;
	esac
done
