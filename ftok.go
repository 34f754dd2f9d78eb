//go:build unix

package sysvipc

import (
	"fmt"
	"os"
	"syscall"
)

// Ftok returns the key that ftok(3) of the C library gives to a path and a project
// byte: the low 16 bits of the inode, the low 8 bits of the device, and proj.
// Programs in C, Perl (IPC::SysV), Python and PHP compute the same key.
//
// What it cannot promise: two files may have one key, since 40 bits and more are
// thrown away; a file that is removed and written again (as editors and package
// managers do) has another key; and a file on overlayfs or in a container may have
// other numbers than the same file outside. [KeyOf] has none of these traps, where
// all programs can use it.
func Ftok(path string, proj byte) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("sysvipc: ftok: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("sysvipc: ftok %s: no inode number", path)
	}
	key := Key(uint32(st.Ino)&0xffff | (uint32(st.Dev)&0xff)<<16 | uint32(proj)<<24)
	if key == Private {
		return 0, fmt.Errorf("sysvipc: ftok %s: inode and device give key 0, which means IPC_PRIVATE (use another file or project byte)", path)
	}
	return key, nil
}
