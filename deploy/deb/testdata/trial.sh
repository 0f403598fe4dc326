# What an administrator does with the package, under a systemd of its own (boot.sh).
set -eux
cd /run/trial
trap 'test $? = 0 || journalctl --no-pager -n 60' EXIT
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# until_true COMMAND waits for it; whoever runs this bounds the time of all.
until_true() { until "$@"; do sleep 0.1; done; }
not() { ! "$@"; }
answers() { ping -c 2 -i 0.01 -W 5 172.16.0.2 && ping -c 2 -i 0.01 -W 5 fd00:172::2; }
# start as if some time had passed since: systemd refuses the sixth start in 10 s.
start() {
	systemctl reset-failed "$1" || true # it may be forgotten already
	systemctl start "$1"
}
main_pid() { systemctl show -P MainPID "$1"; }
logged() { journalctl --sync; journalctl -u "$1" -o cat | grep -q "$2"; }
# has UNIT LINE looks into the status of a unit's process.
has() { grep -q "^$2\$" "/proc/$(main_pid "$1")/status"; }

: install: it is there, and nothing is started
dpkg -i netstackd.deb
not systemctl is-enabled netstackd netstackd-prepared
not systemctl is-active netstackd netstackd-prepared
not ip link show netstack0
getent passwd netstackd
netstackd -version | grep '^netstackd v1.2.3 '
netstackd -config /etc/netstackd/netstackd.yaml -check-config
dpkg-query -W -f '${Conffiles}' netstackd | grep /etc/netstackd/netstackd.yaml
zcat /usr/share/man/man8/netstackd.8.gz | grep -q 'SH SYSTEMD'

: start: it answers once systemctl returns, without a capability
systemctl enable --now netstackd
answers
has netstackd 'CapEff:	0000000000000000'
has netstackd 'NoNewPrivs:	1'
test "$(systemctl show -P StatusText netstackd)" = 'the host answers'
not test "$(systemctl show -P WatchdogTimestampMonotonic netstackd)" = 0
test "$(stat -c '%a %U' /var/lib/netstackd/quarantine.pcapng)" = '600 netstackd'

: the journal: priorities, and no time of its own
until_true logged netstackd 'host is up'
journalctl -u netstackd -o cat -p warning | grep keep_addr_on_down
not sh -c "journalctl -u netstackd -o cat -p warning | grep 'host is up'"
not sh -c "journalctl -u netstackd -o cat | grep -E '^<|time='"

: reload: what has changed is in force, a file that is wrong is refused
echo 'connections: 7' >>/etc/netstackd/netstackd.yaml
sed -i '/^connections: 256/d' /etc/netstackd/netstackd.yaml
systemctl reload netstackd
until_true logged netstackd 'configuration read again.*connections'
until_true sh -c 'test "$(systemctl show -P SubState netstackd)" = running'
echo 'mtu: big' >>/etc/netstackd/netstackd.yaml
systemctl reload netstackd
until_true logged netstackd 'configuration refused'
sed -i '/^mtu: big/d' /etc/netstackd/netstackd.yaml
answers

: what crashes is started again, a mistake in the configuration is not
kill -ABRT "$(main_pid netstackd)"
until_true sh -c 'test "$(systemctl show -P NRestarts netstackd)" = 1 && systemctl is-active netstackd'
answers
echo 'NETSTACKD_MTU=big' >/etc/default/netstackd
not systemctl restart netstackd
test "$(systemctl show -P ActiveState netstackd)" = failed
rm /etc/default/netstackd
start netstackd

: upgrade: what runs is the new one, and what was changed stays
before=$(main_pid netstackd)
dpkg -i netstackd.deb
not test "$before" = "$(main_pid netstackd)"
grep -q '^connections: 7' /etc/netstackd/netstackd.yaml
systemctl is-enabled netstackd
answers

: the other one, on a device that is prepared, without a capability at any time
systemctl stop netstackd
rm /var/lib/netstackd/quarantine.pcapng
not ip link show netstack0
ip tuntap add netstack0 mode tun user netstackd vnet_hdr
ip addr add 172.16.0.1/24 dev netstack0
ip addr add fd00:172::1/64 dev netstack0 nodad
ip link set netstack0 up
systemctl start netstackd-prepared
answers
has netstackd-prepared 'CapBnd:	0000000000000000'
test "$(stat -c '%a %U' /var/lib/netstackd/quarantine.pcapng)" = '600 netstackd'
systemctl reload netstackd-prepared
until_true logged netstackd-prepared 'configuration read again'
systemctl stop netstackd-prepared
ip link show netstack0
ip link del netstack0

: remove: it stops, and the configuration stays
start netstackd
dpkg -r netstackd
not ip link show netstack0
not systemctl is-active netstackd
test -e /etc/netstackd/netstackd.yaml
not test -e /usr/bin/netstackd

: purge: nothing is left
dpkg -P netstackd
not test -e /etc/netstackd
not test -L /etc/systemd/system/multi-user.target.wants/netstackd.service
not test -e /etc/systemd/system/netstackd.service
not test -e /var/log/netstackd
not test -e /var/lib/netstackd

echo PASSED
