package foreign

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// phpMagic is how a segment of shm_attach begins. Its byte behind the NUL is never written.
const phpMagic = "PHP_SM\x00"

// mostVariables is how many variables are read of a segment, since the length of each can be a lie.
const mostVariables = 10000

// php reads struct sysvshm_chunk_head, and the chunks behind it: key, length, distance to the next one, and the value as
// serialize() writes it. All numbers are zend_long.
func php(o *Object) (*output.PHPVariables, error) {
	if o.Kind != sysvipc.KindSegment {
		return nil, fmt.Errorf("it is a %s, and PHP's variables are in a segment", o.Kind)
	}
	if !bytes.HasPrefix(o.Bytes, []byte(phpMagic)) {
		return nil, errors.New("it does not begin with PHP_SM")
	}
	for _, bits := range []int{64, 32} {
		word := int64(bits / 8)
		f := fields{p: o.Bytes, at: 8, align: 8}
		v := &output.PHPVariables{Bits: bits, Start: f.long(bits), End: f.long(bits), Free: f.long(bits), Total: f.long(bits)}
		if v.Start == 8+4*word && v.End >= v.Start && v.End <= v.Total && v.Total <= o.Size && v.Free == v.Total-v.End {
			why := phpChunks(o, v, word)
			v.Whole, v.Why = why == "", output.OrNil(why)
			return v, nil
		}
	}
	return nil, errors.New("its header has sizes that cannot be")
}

// phpChunks reads the variables, and says why some are missing.
func phpChunks(o *Object, v *output.PHPVariables, word int64) string {
	for pos := v.Start; pos < v.End; {
		head := pos + 3*word
		switch {
		case len(v.Variables) == mostVariables:
			return fmt.Sprintf("there are more than %d", mostVariables)
		case head > v.End:
			return fmt.Sprintf("the one at %d is damaged", pos)
		case head > int64(len(o.Bytes)):
			return fmt.Sprintf("only %d of %d bytes were read", len(o.Bytes), v.End)
		}
		f := fields{p: o.Bytes[pos:], align: 8}
		one := output.PHPVariable{Key: f.long(v.Bits), Length: f.long(v.Bits)}
		next := f.long(v.Bits)
		// Not pos+next, which may be more than a number can be.
		if one.Length < 0 || next > v.End-pos || next < 3*word || one.Length > next-3*word {
			return fmt.Sprintf("the one at %d is damaged", pos)
		}
		if text := o.Bytes[head:]; one.Length <= int64(len(text)) {
			one.Type, one.Value = unserialize(text[:one.Length])
		} else {
			one.Type = "unread"
		}
		v.Variables = append(v.Variables, one)
		pos += next
	}
	return ""
}
