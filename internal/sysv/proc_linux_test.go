package sysv

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// procRow returns what /proc/sysvipc says of an object, by the names of its columns. Keys and ids are decimal there,
// perms octal.
func procRow(t *testing.T, kind, idColumn string, id int) map[string]int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/sysvipc/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	columns := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		row := map[string]int64{}
		for i, field := range strings.Fields(line) {
			base := 10
			if columns[i] == "perms" {
				base = 8
			}
			n, err := strconv.ParseInt(field, base, 64)
			if err != nil {
				t.Fatalf("%s: %s: %v", kind, columns[i], err)
			}
			row[columns[i]] = n
		}
		if row[idColumn] == int64(id) {
			return row
		}
	}
	t.Fatalf("no %s %d in /proc/sysvipc/%s:\n%s", idColumn, id, kind, data)
	return nil
}

// procPerm adds the columns that a [Perm] has to row.
func procPerm(row map[string]int64, p Perm) map[string]int64 {
	row["key"], row["perms"] = int64(p.Key), int64(modeOf(p))
	row["uid"], row["gid"], row["cuid"], row["cgid"] = int64(p.UID), int64(p.GID), int64(p.CUID), int64(p.CGID)
	return row
}

// sysctl returns the numbers in a file of /proc/sys/kernel.
func sysctl(t *testing.T, name string) []uint64 {
	t.Helper()
	data, err := os.ReadFile("/proc/sys/kernel/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var ns []uint64
	for _, s := range strings.Fields(string(data)) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ns = append(ns, n)
	}
	return ns
}

// otherIDs are a user and a group to give an object to. In a user namespace there is only one.
func otherIDs(t *testing.T) (uid, gid uint32) {
	t.Helper()
	if !ipctest.HasUser(1234) || !ipctest.HasUser(5678) {
		return uint32(os.Getuid()), uint32(os.Getgid())
	}
	return 1234, 5678
}

// checkSeq checks the sequence number in an id, of which the lower bits are the index: 15, or 24 if the kernel
// was booted with ipcmni_extend.
func checkSeq(t *testing.T, p Perm, id int) {
	t.Helper()
	if int(p.Seq) != id>>15 && int(p.Seq) != id>>24 {
		t.Errorf("seq is %d, and the id is %#x", p.Seq, id)
	}
}
