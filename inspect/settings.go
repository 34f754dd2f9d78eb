package inspect

import (
	"bytes"
	"path"
	"strings"
)

// Settings of the machine by which objects are removed that nobody has removed by hand.

// settings tells of settings that remove objects behind the back of their users.
func (d *diagnosis) settings() {
	if text, err := readSmall(path.Join("/", d.root, "/proc/sys/kernel/shm_rmid_forced")); err == nil && strings.TrimSpace(string(text)) == "1" {
		d.add("shm_rmid_forced", Warning, "sysctl -w kernel.shm_rmid_forced=0", "a segment is destroyed with its last detach, and orphans are at once: programs lose what they left for the next one")
	}
	if !d.systemUsers() {
		return
	}
	if value, file := d.removeIPC(); value {
		d.add("removeipc", Warning, "echo -e '[Login]\\nRemoveIPC=no' > /etc/systemd/logind.conf.d/ipc.conf && systemctl restart systemd-logind",
			"systemd-logind removes the objects of users who log out (RemoveIPC, %s): a service that runs as an ordinary user, such as a database, loses its own", file)
	}
}

// systemUsers reports whether an object belongs to a user whose objects systemd-logind would remove:
// not root, and not a system user.
func (d *diagnosis) systemUsers() bool {
	for i := range d.Objects {
		if d.Objects[i].UID >= firstUser {
			return true
		}
	}
	return false
}

// firstUser is the first user that is no system user, as most systems are configured.
const firstUser = 1000

// removeIPC reads whether systemd-logind removes objects, and which file says so. Later files
// override earlier ones; without any the default is to remove.
func (d *diagnosis) removeIPC() (removes bool, from string) {
	if !isDirectory(path.Join("/", d.root, "/run/systemd/system")) {
		return false, "" // systemd does not run
	}
	removes, from = true, "the default"
	read := func(file string) {
		if text, err := readSmall(file); err == nil {
			if value, ok := parseRemoveIPC(text); ok {
				removes, from = value, file
			}
		}
	}
	for _, dir := range []string{"/usr/lib/systemd", "/run/systemd", "/etc/systemd"} {
		read(path.Join("/", d.root, dir, "logind.conf"))
	}
	for _, file := range dropIns("/"+d.root, "logind.conf.d") {
		read(file)
	}
	return removes, from
}

// parseRemoveIPC reads RemoveIPC of logind.conf(5); the last one in the section Login counts.
func parseRemoveIPC(text []byte) (value, ok bool) {
	login := false
	for line := range bytes.Lines(text) {
		s := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(s, "["):
			login = s == "[Login]"
		case login && !strings.HasPrefix(s, "#") && !strings.HasPrefix(s, ";"):
			key, word, found := strings.Cut(s, "=")
			if !found || strings.TrimSpace(key) != "RemoveIPC" {
				continue
			}
			switch strings.ToLower(strings.TrimSpace(word)) {
			case "1", "yes", "y", "true", "t", "on":
				value, ok = true, true
			case "0", "no", "n", "false", "f", "off":
				value, ok = false, true
			}
		}
	}
	return value, ok
}
