// Package deb makes the Debian package: nfpm.yaml is what is in it, postinst, prerm and
// postrm are what is done when it comes and goes, nfpm is the module of the tool that
// packs it (`make deb`). The test installs, starts, upgrades, removes and purges it under
// a systemd of its own, on a copy of this machine that is gone afterwards:
// testdata/boot.sh makes that, and testdata/trial.sh is what happens there.
package deb
