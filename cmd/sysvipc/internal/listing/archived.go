package listing

import (
	"io/fs"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// archived is an object in a file, as if it were there.
func archived(o *archive.Object) Entry {
	kept := sysvipc.Object{
		Kind: o.SysvKind(), ID: o.ID, Key: o.SysvKey(), Mode: fs.FileMode(o.Mode), UID: o.UID, GID: o.GID, CUID: o.CUID, CGID: o.CGID,
	}
	if o.Changed != 0 {
		kept.Changed = time.Unix(o.Changed, 0)
	}
	switch kept.Kind {
	case sysvipc.KindSegment:
		return segmentEntry(&sysvipc.SegmentStat{Object: kept, Size: o.Size, Locked: o.Locked, Destroyed: o.Destroyed})
	case sysvipc.KindSemaphores:
		return setEntry(&sysvipc.SemaphoreSetStat{Object: kept, Len: o.Len})
	default:
		capacity := int64(-1) // not known
		if o.MaxBytes != nil {
			capacity = *o.MaxBytes
		}
		return queueEntry(&sysvipc.QueueStat{Object: kept, Messages: o.Messages, Bytes: int(o.Bytes), MaxBytes: int(capacity)})
	}
}

// ArchivedObject is the JSON of an object in a file.
func ArchivedObject(v *View, o *archive.Object) *output.Archived {
	e := archived(o)
	return e.Published(v).Archived()
}

// DescribeArchived says in a few words which object it is.
func DescribeArchived(v *View, o *archive.Object) string {
	e := archived(o)
	what := plural.Of(o.Messages, "message")
	switch {
	case e.Segment != nil:
		what = arg.FormatSize(o.Size) + " bytes"
	case e.Set != nil:
		what = plural.Of(o.Len, "semaphore")
	}
	return what + ", " + ref.KeyText(o.SysvKey()) + ", " + v.Users.Text(o.UID)
}
