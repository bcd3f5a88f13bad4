#!/usr/bin/env bash
# Plants each mistake of crates/simulator/planted into a copy of the sources, and prints the
# number of seeds and seconds until the simulator finds it.
#
#   crates/simulator/planted.sh [NAME…]    plant only the named mistakes
#
# SEEDS (default 3000) bounds the search. The copy is made from the last commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SEEDS=${SEEDS:-3000}
readonly COPY=$PWD/target/planted
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

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
printf '%-36s %5s %8s  %s\n' mistake level seeds found
for name in "${names[@]}"; do
    patch=$PWD/crates/simulator/planted/$name.patch
    level=$(sed -n 's/^Level: //p' "$patch")
    (cd "$COPY" && git checkout --quiet . && git apply "$patch" &&
        cargo build --quiet --profile simulation -p simulator 2>/dev/null)
    output=$("$CARGO_TARGET_DIR/simulation/simulator" --seeds "$SEEDS" --level "${level:-0}" \
        --until-broken) && missed=$((missed + 1))
    last=$(head -1 <<<"$output" | cut -d' ' -f4)
    printf '%-36s %5s %8s  %s\n' "$name" "${level:-0}" "$((last + 1))" \
        "$(sed -n 's/ is broken by.*//p' <<<"$output" | paste -sd' ')"
done
exit "$missed"
