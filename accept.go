package sysvipc

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Check reports whether Ensure with c's options and this mode takes an object that
// exists. The error is [ErrUnsafe] where the object lets in anyone whom perm would keep
// out if this process had made it: names are first come, first served, and the
// first may be a stranger. SECURITY.md has the whole model.
//
// An owner may do anything with an object, and so may its creator, who stays that for
// ever. So both must be this user, root, one of c.Owners, or a user whom perm lets in: a
// member of the group of this process, where perm lets that read and write, or everyone.
// Nor may the group and the others have bits that perm has not, unless c has AnyMode.
func (c Creator) Check(o Object, perm fs.FileMode) error {
	a := asked{c.Owners, os.Geteuid(), os.Getegid(), perm >> 3 & readWrite, perm & readWrite}
	switch {
	case !a.owner(o, o.UID) || !a.owner(o, o.CUID):
		return tooOpen(o, perm, fmt.Sprintf("Have it removed, with \"sysvipc rm %s\", say that it may belong to its owner and its creator (Owners, --owner), or Open it, which takes it as it is", o.ref()))
	case !c.AnyMode && !a.bits(o):
		lower, ask := perm, "ask for what it has"
		if o.Mode&^perm&(readWrite<<3|readWrite) == 0 { // the mode is right, and for another group
			lower, ask = perm&^0o77, "ask as a member of its group"
		}
		return tooOpen(o, perm, fmt.Sprintf("Lower its mode, with \"sysvipc set %s --mode %04o\", %s, or Open it, which takes it as it is", o.ref(), uint32(lower), ask))
	}
	return nil
}

func tooOpen(o Object, perm fs.FileMode, remedy string) error {
	owner := fmt.Sprintf("it belongs to user %d, group %d", o.UID, o.GID)
	if o.CUID != o.UID || o.CGID != o.GID {
		owner += fmt.Sprintf(", and was made by user %d, group %d", o.CUID, o.CGID)
	}
	return &Error{
		Op: "ensure", Kind: o.Kind, Key: o.Key, ID: o.ID, Err: ErrUnsafe,
		hint: fmt.Sprintf("%s; its mode is %04o, and user %d, group %d asked for %04o. %s", owner, uint32(o.Mode), os.Geteuid(), os.Getegid(), uint32(perm), remedy),
	}
}

// readWrite are the bits of a class that let anyone in: the x bit does not, by itself.
const readWrite fs.FileMode = 0o6

// asked is the object that this process would have made.
type asked struct {
	owners        []int
	uid, gid      int
	group, others fs.FileMode // what the classes may do
}

// owner reports whether a user may be the owner, or the creator, of an object.
func (a asked) owner(o Object, uid int) bool {
	switch {
	case uid == 0, slices.Contains(a.owners, uid):
		return true
	case uid == a.uid && !mayBeUnmapped("uid", uid):
		return true
	case a.group != readWrite:
		return false
	}
	// The creator has the group of the object when it makes it, which nothing changes later.
	return a.others == readWrite || uid == o.CUID && a.sameGroup(o.CGID)
}

func (a asked) sameGroup(gid int) bool { return gid == a.gid && !mayBeUnmapped("gid", gid) }

// bits reports whether the classes of an object let in nobody whom those that were asked
// for keep out.
func (a asked) bits(o Object) bool {
	group, others := o.Mode>>3&readWrite, o.Mode&readWrite
	switch {
	case group&^a.group != 0 || others&^a.others != 0:
		return false
	case group|others == 0:
		return true
	case slices.Contains(a.owners, o.UID) || slices.Contains(a.owners, o.CUID):
		return true // the group is for them to choose
	}
	for _, gid := range []int{o.GID, o.CGID} {
		// Members of another group count among the others here, and ours among the others
		// there. Root's own group is root's affair.
		if gid == 0 && o.CUID == 0 || a.sameGroup(gid) {
			continue
		}
		if group&^a.others != 0 || others&^a.group != 0 {
			return false
		}
	}
	return true
}

// ref names the object as the command takes it.
func (o Object) ref() string {
	words := map[Kind]string{KindSegment: "shm", KindSemaphores: "sem", KindQueue: "msg"}
	return fmt.Sprintf("%s:%d", words[o.Kind], o.ID)
}
