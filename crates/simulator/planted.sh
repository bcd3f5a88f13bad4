#!/usr/bin/env bash
# Plants each mistake of crates/simulator/planted into a copy of the sources, and prints the
# number of seeds and seconds until the simulator finds it.
#
#   crates/simulator/planted.sh [NAME…]    plant only the named mistakes
#
# SEEDS (default 3000) bounds the search. The copy is made from the last commit. A line
# `Level: N` of a patch names the level of assumptions that shows the mistake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SEEDS=${SEEDS:-3000}
readonly COPY=$PWD/target/planted
export CARGO_TARGET_DIR=${PLANTED_TARGET_DIR:-$PWD/target/planted-build}

names=("$@")
if ((${#names[@]} == 0)); then
    for patch in crates/simulator/planted/*.patch; do
        names+=("$(basename "$patch" .patch)")
    done
fi
git worktree remove --force "$COPY" 2>/dev/null || true
git worktree add --quiet --force --detach "$COPY"
trap 'git worktree remove --force "$COPY"' EXIT

missed=0
printf '%-53s %5s %6s %8s  %s\n' mistake level seeds seconds found
for name in "${names[@]}"; do
    patch=$PWD/crates/simulator/planted/$name.patch
    level=$(sed -n 's/^Level: //p' "$patch")
    (cd "$COPY" && git checkout --quiet . && git apply "$patch" &&
        cargo build --quiet --profile simulation -p simulator)
    output=$("$CARGO_TARGET_DIR/simulation/simulator" --seeds "$SEEDS" --level "${level:-0}" \
        --until-broken) || true
    if ! grep -q '^UNEXPECTED' <<<"$output"; then missed=$((missed + 1)); fi
    last=$(head -1 <<<"$output" | cut -d' ' -f4)
    seconds=$(sed -n 's/.* in \([0-9.]*\) s;.*/\1/p' <<<"$output")
    printf '%-53s %5s %6s %8s  %s\n' "$name" "${level:-0}" "$((last + 1))" "$seconds" \
        "$(sed -n '/(expected/!s/ is broken by.*//p' <<<"$output" | paste -sd' ')"
done
exit "$missed"
