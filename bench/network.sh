#!/usr/bin/env bash
# network.sh HOSTS[xRANKS] MBIT COMMAND... -- COMMAND on HOSTS hosts, RANKS (1) on each, whose links to each other carry
# MBIT Mbit/s each way; 0: as much as this machine can.
#
#     sudo bench/network.sh 2 1000 build/ssvbench bench steps --filter mae/vit-tiny --threads 1
#     sudo bench/network.sh 2x4 1000 build/ssvbench bench steps --filter mae/vit-tiny --threads 1
#
# The hosts are network namespaces of this machine, their links virtual cables to one bridge, shaped where packets leave
# a host and where they leave the bridge.  They share its processors, so give each no more threads than there are for it.
# Only TCP is used between them, and shared memory on a host.  Everything is taken down at the end.  Needs root, ip, tc
# and Open MPI's mpirun.
set -euo pipefail

# As mpirun's agent: network.sh --agent HOST COMMAND...: where a host's daemon is started.
if [ "${1:-}" = --agent ]; then
    host=${2##*.}
    shift 2
    exec ip netns exec "$NETWORK-$host" unshare --uts sh -c "hostname host$host; $*"
fi

if [ $# -lt 3 ] || [[ ! $1 =~ ^[1-9][0-9]?(x[1-9][0-9]?)?$ || ! $2 =~ ^[0-9]+$ ]]; then
    echo 'network.sh HOSTS[xRANKS] MBIT COMMAND...: hosts and ranks of each from 1 to 99, Mbit/s of a link or 0' >&2
    exit 2
fi
for tool in ip tc mpirun; do
    command -v $tool >/dev/null || { echo "network.sh: there is no $tool here" >&2; exit 3; }
done
[ "$(id -u)" = 0 ] || { echo 'network.sh: network namespaces need root' >&2; exit 3; }
hosts=${1%x*} ranks=1 rate=$2
[[ $1 == *x* ]] && ranks=${1#*x}
shift 2

name=ssv$$
export NETWORK=$name OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
take_down() {
    for ((i = 1; i <= hosts; i++)); do ip netns del "$name-$i" 2>/dev/null || true; done
    ip netns del "$name" 2>/dev/null || true
}
trap take_down EXIT
trap 'exit 4' INT TERM

# What leaves an interface goes on at this rate, but for a millisecond's worth.
shape() { # shape NAMESPACE INTERFACE
    local burst=$((rate * 125))
    [ "$rate" = 0 ] && return
    tc -n "$1" qdisc add dev "$2" root tbf rate "${rate}mbit" burst $((burst > 131072 ? burst : 131072)) limit 64mb
}

# The bridge is in a namespace, too, so that nothing of the machine's own network is touched.
ip netns add "$name"
ip -n "$name" link add bridge type bridge
ip -n "$name" link set bridge up
list=''
for ((i = 1; i <= hosts; i++)); do
    ip netns add "$name-$i"
    ip -n "$name" link add "port$i" type veth peer name eth0 netns "$name-$i"
    ip -n "$name" link set "port$i" master bridge up
    ip -n "$name-$i" addr add "10.77.0.$i/24" dev eth0
    ip -n "$name-$i" link set lo up
    ip -n "$name-$i" link set eth0 up
    shape "$name-$i" eth0
    shape "$name" "port$i"
    list+=${list:+,}10.77.0.$i:$ranks
done

self=$(realpath "$0")
ip netns exec "$name-1" mpirun -n $((hosts * ranks)) --host "$list" --map-by "ppr:$ranks:node" --bind-to none \
    --mca plm_rsh_agent "$self --agent" --mca btl tcp,vader,self --mca btl_tcp_if_include eth0 \
    --mca oob_tcp_if_include eth0 "$@"
