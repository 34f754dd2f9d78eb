package foreign

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
)

// The most that one value may be: how deep, and how many bytes of JSON. A value that is more is not shown.
const (
	mostDepth = 64
	mostJSON  = 64 << 10
)

// unserialize makes JSON of what PHP's serialize() wrote, and names its type. The JSON is nil for what is damaged or too
// much: no byte is trusted, and nothing is taken for longer than it is.
func unserialize(text []byte) (typ string, value json.RawMessage) {
	typ = phpTypes[first(text)]
	if typ == "" {
		return "damaged", nil
	}
	s := serialized{p: text}
	if !s.value(0) || len(s.p) > 0 {
		if len(s.json) >= mostJSON {
			return typ, nil
		}
		return "damaged", nil
	}
	return typ, s.json
}

var phpTypes = map[byte]string{
	'N': "null", 'b': "boolean", 'i': "integer", 'd': "double", 's': "string", 'S': "string", 'a': "array", 'O': "object", 'C': "object", 'E': "enum",
	'r': "reference", 'R': "reference",
}

func first(p []byte) byte {
	if len(p) == 0 {
		return 0
	}
	return p[0]
}

// serialized is what is left to read, and the JSON of what was read.
type serialized struct {
	p    []byte
	json []byte
}

// until cuts the text before a byte off.
func (s *serialized) until(end byte) (string, bool) {
	i := bytes.IndexByte(s.p[:min(len(s.p), 64)], end)
	if i < 0 {
		return "", false
	}
	text := string(s.p[:i])
	s.p = s.p[i+1:]
	return text, true
}

func (s *serialized) byte(b byte) bool {
	if first(s.p) != b || len(s.p) == 0 {
		return false
	}
	s.p = s.p[1:]
	return true
}

// number cuts a number off.
func (s *serialized) number(end byte) (int64, bool) {
	text, ok := s.until(end)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}

// quoted cuts LENGTH:"BYTES" off.
func (s *serialized) quoted() (string, bool) {
	n, ok := s.number(':')
	if !ok || n < 0 || n > int64(len(s.p)) || !s.byte('"') || n > int64(len(s.p)) {
		return "", false
	}
	text := string(s.p[:n])
	s.p = s.p[n:]
	return text, s.byte('"')
}

func (s *serialized) add(text string) bool {
	s.json = append(s.json, text...)
	return len(s.json) < mostJSON
}

func (s *serialized) addString(text string) bool {
	s.json = output.AppendString(s.json, text)
	return len(s.json) < mostJSON
}

// value reads one value.
func (s *serialized) value(depth int) bool {
	typ := first(s.p)
	if typ == 'N' {
		s.p = s.p[1:]
		return s.byte(';') && s.add("null")
	}
	if len(s.p) < 2 || s.p[1] != ':' || depth > mostDepth {
		return false
	}
	s.p = s.p[2:]
	switch typ {
	case 'b':
		n, ok := s.number(';')
		return ok && n>>1 == 0 && s.add(strconv.FormatBool(n == 1))
	case 'i':
		n, ok := s.number(';')
		return ok && s.add(strconv.FormatInt(n, 10))
	case 'd':
		text, ok := s.until(';')
		return ok && s.double(text)
	case 's':
		text, ok := s.quoted()
		return ok && s.byte(';') && s.addString(text)
	case 'a':
		n, ok := s.number(':')
		return ok && s.members(n, depth, "")
	case 'O':
		class, ok := s.quoted()
		if !ok || !s.byte(':') {
			return false
		}
		n, ok := s.number(':')
		return ok && s.members(n, depth, class)
	case 'E':
		name, ok := s.quoted()
		return ok && s.byte(';') && s.addString(name)
	case 'r', 'R':
		n, ok := s.number(';')
		return ok && s.add(`{"reference":`+strconv.FormatInt(n, 10)+`}`)
	}
	return false // such as 'C', which only its class can read
}

// double writes a number, and as a string one that JSON does not have.
func (s *serialized) double(text string) bool {
	switch text {
	case "NAN", "INF", "-INF":
		return s.addString(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return false
	}
	return s.add(strconv.FormatFloat(f, 'g', -1, 64))
}

// members reads what an array or an object has. An array whose keys count from 0 becomes a list. An object has its class
// in the member "class", which its own of that name follows.
func (s *serialized) members(n int64, depth int, class string) bool {
	if n < 0 || n > int64(len(s.p)) || !s.byte('{') {
		return false
	}
	begin := len(s.json)
	s.json = append(s.json, '{')
	if class != "" {
		if !s.add(`"class":`) || !s.addString(class) || n > 0 && !s.add(",") {
			return false
		}
	}
	list := class == ""
	var keys [][2]int // where they stand, for as long as it can be a list
	for i := range n {
		if i > 0 && !s.add(",") {
			return false
		}
		at := len(s.json)
		key, counted, ok := s.key()
		if !ok || !s.addString(key) || !s.add(":") {
			return false
		}
		if list = list && counted && key == strconv.FormatInt(i, 10); list {
			keys = append(keys, [2]int{at, len(s.json)})
		}
		if !s.value(depth + 1) {
			return false
		}
	}
	if !s.byte('}') || !s.add("}") {
		return false
	}
	if list {
		s.dropKeys(begin, keys)
	}
	return true
}

// dropKeys makes a list of the members that begin there and go to the end.
func (s *serialized) dropKeys(begin int, keys [][2]int) {
	at := begin + 1
	to := at
	for _, key := range keys {
		to += copy(s.json[to:], s.json[at:key[0]])
		at = key[1]
	}
	to += copy(s.json[to:], s.json[at:])
	s.json = s.json[:to]
	s.json[begin], s.json[to-1] = '[', ']'
}

// key reads the key of a member, and whether it is a number. Those of properties that are not public have their class, or
// a star, between NULs.
func (s *serialized) key() (key string, number, ok bool) {
	if len(s.p) < 2 || s.p[1] != ':' {
		return "", false, false
	}
	typ := s.p[0]
	s.p = s.p[2:]
	switch typ {
	case 'i':
		n, ok := s.number(';')
		return strconv.FormatInt(n, 10), true, ok
	case 's':
		text, ok := s.quoted()
		return text[strings.LastIndexByte(text, 0)+1:], false, ok && s.byte(';')
	}
	return "", false, false
}
