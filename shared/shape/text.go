package shape

import (
	"errors"
	"strconv"
	"strings"
)

// Parse reads the text of a shape that another program has written. It believes
// nothing: depth, counts and offsets are bounded, so that what is read can be printed.
func Parse(text string) (Shape, error) {
	p := shapeParser{rest: text}
	fields, err := p.fields(0)
	if err == nil && p.rest != "" {
		err = errShape
	}
	return Shape{Fields: fields}, err
}

var errShape = errors.New("shared: the text of a shape cannot be read")

const (
	maxDepth  = 16
	maxNumber = 1 << 31
)

type shapeParser struct{ rest string }

func (p *shapeParser) fields(depth int) (fields []Field, err error) {
	for {
		f, err := p.field(depth)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if !p.skip(",") {
			return fields, nil
		}
	}
}

func (p *shapeParser) field(depth int) (f Field, err error) {
	var ok bool
	if f.Name, p.rest, ok = strings.Cut(p.rest, ":"); !ok || strings.ContainsAny(f.Name, "@,{}[]/") || depth > maxDepth {
		return f, errShape
	}
	if p.skip("[") {
		if f.Count, err = p.number(); err != nil || f.Count == 0 || !p.skip("]") {
			return f, errShape
		}
	}
	if p.skip("{") {
		if f.Fields, err = p.fields(depth + 1); err != nil || !p.skip("}") || !p.skip("/") {
			return f, errShape
		}
		if f.Size, err = p.number(); err != nil {
			return f, err
		}
	} else {
		f.Kind, _, _ = strings.Cut(p.rest, "@")
		p.rest = p.rest[len(f.Kind):]
		if f.Size = kindSizes[f.Kind]; f.Size == 0 {
			return f, errShape
		}
	}
	if !p.skip("@") {
		return f, errShape
	}
	f.Offset, err = p.number()
	return f, err
}

// kindSizes are the sizes of the kinds.
var kindSizes = map[string]int{
	"bool": 1, "str": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "f32": 4,
	"i64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}

func (p *shapeParser) skip(s string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, s)
	return ok
}

func (p *shapeParser) number() (int, error) {
	end := 0
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(p.rest[:end], 10, 64)
	if err != nil || n > maxNumber {
		return 0, errShape
	}
	p.rest = p.rest[end:]
	return int(n), nil
}
