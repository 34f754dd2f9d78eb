package inspect

import (
	"bytes"
	"strconv"
	"strings"
)

// mounts is what is read of /proc/PID/mountinfo.
type mounts struct {
	namespaces []mountedNamespace
	hidepid    map[string]string // of each mount of proc(5), by where it is
}

// mountedNamespace is an IPC namespace that a bind mount keeps.
type mountedNamespace struct {
	inode uint64
	path  string
}

// parseMountinfo reads lines such as
//
//	105 24 0:4 ipc:[4026532231] /run/ns/ipc rw shared:58 - nsfs nsfs rw
//	22 1 0:21 / /proc rw,nosuid shared:12 - proc proc rw,hidepid=invisible
func parseMountinfo(text []byte) (m mounts) {
	m.hidepid = map[string]string{}
	for line := range bytes.Lines(text) {
		front, back, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" - "))
		fields, types := strings.Fields(string(front)), strings.Fields(string(back))
		if !ok || len(fields) < 6 || len(types) < 3 {
			continue
		}
		root, where := fields[3], unescapeMount(fields[4])
		switch types[0] {
		case "nsfs":
			if inode, ok := parseNamespace(root); ok {
				m.namespaces = append(m.namespaces, mountedNamespace{inode, where})
			}
		case "proc":
			m.hidepid[where] = ""
			for option := range strings.SplitSeq(types[2]+","+fields[5], ",") {
				if value, ok := strings.CutPrefix(option, "hidepid="); ok {
					m.hidepid[where] = value
				}
			}
		}
	}
	return m
}

// parseNamespace reads the number of an IPC namespace, as links show it: ipc:[4026531839].
func parseNamespace(s string) (uint64, bool) {
	s, ok1 := strings.CutPrefix(s, "ipc:[")
	s, ok2 := strings.CutSuffix(s, "]")
	n, err := strconv.ParseUint(s, 10, 64)
	return n, ok1 && ok2 && err == nil
}

// unescapeMount replaces what mountinfo writes for space, tab, newline and backslash: \040.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
