package inspect

import (
	"bytes"
	"strings"
)

// parseCgroup finds the container and the systemd unit of a process in /proc/PID/cgroup. Either is
// "" if there is none, or none that is known here.
//
//	0::/system.slice/docker-0123….scope
//	1:name=systemd:/system.slice/postgresql@15-main.service
//	0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-0123….scope
//	0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service
func parseCgroup(text []byte) (container, unit string) {
	for line := range bytes.Lines(text) {
		_, rest, _ := bytes.Cut(line, []byte(":"))
		_, path, ok := bytes.Cut(rest, []byte(":"))
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSpace(string(path)), "/") {
			if id := containerOf(part); id != "" {
				container = id
			} else if strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
				unit = part // the innermost
			}
		}
	}
	return container, unit
}

// containerOf returns what names the container in one part of a path: the kind and the first
// twelve digits of its ID, or its name.
func containerOf(part string) string {
	name := strings.TrimSuffix(part, ".scope")
	for _, kind := range []string{"docker", "libpod", "crio", "cri-containerd", "containerd"} {
		if id, ok := strings.CutPrefix(name, kind+"-"); ok && isContainerID(id) {
			return kind + ":" + id[:12]
		}
	}
	for prefix, kind := range map[string]string{"lxc.payload.": "lxc", "machine-": "machine"} {
		if id, ok := strings.CutPrefix(name, prefix); ok && id != "" {
			return kind + ":" + id
		}
	}
	if isContainerID(name) { // cgroup version 1: /docker/0123…, /kubepods/pod1/0123…
		return "container:" + name[:12]
	}
	return ""
}

// isContainerID reports whether s is 64 hexadecimal digits.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
