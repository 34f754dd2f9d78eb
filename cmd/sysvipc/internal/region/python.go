package region

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

var (
	// pyGeneric is what the Python files of all regions have in common.
	//
	//go:embed region.py
	pyGeneric string
	// pyNative is what they call, behind the C header.
	//
	//go:embed python.h
	pyNative string
)

// pyWriter writes what is special for one region: classes, and then the structures.
type pyWriter struct {
	strings.Builder
	used  map[string]bool
	parts strings.Builder
}

func pythonFile(name string, key sysvipc.Key, structures []*dynamic.Description) string {
	p := &pyWriter{used: map[string]bool{}}
	fmt.Fprintf(p, `"""Region %s, for Python 3.7 and later: made by sysvipc region header --lang python.

	with open() as r:  # to take part; open(readonly=True) only reads
		r.NAME.load()

r.NAME, or r["NAME"], is a structure of the region: a Var, Counter, Chan, Map or Topic.

To take part needs a C compiler once, for a shared object that stays in the user's cache: each change is
one call of it, which neither an exception nor a signal divides. A process that is killed leaves
nothing half done that others see. Reading needs no compiler on x86_64.
"""

`, pyText(cText(name)))
	p.WriteString(pyGeneric)
	fmt.Fprintf(p, "\n\n_NAME, _KEY = %s, %d\n_TITLE = \"region \" + _NAME.decode(errors=\"replace\")\n", pyBytes(name), int32(key))
	for _, d := range structures {
		p.structure(d)
	}
	fmt.Fprintf(p, "\n_STRUCTURES = {\n%s}\n", p.parts.String())
	fmt.Fprintf(p, "\n_C = r'''%s\n%s\n%s\n%s'''\n", cGeneric, cMap, cTopic, pyNative)
	return p.String()
}

func (p *pyWriter) structure(d *dynamic.Description) {
	class := map[string]string{"var": "Var", "counter": "Counter", "chan": "Chan", "map": "Map", "topic": "Topic"}[d.Kind]
	if class == "" || d.Type == nil {
		fmt.Fprintf(p, "\n# %s %s is for Go programs only.\n", d.Kind, cText(d.Name))
		return
	}
	attribute := p.name(cName(d.Name), "")
	title := strings.ToUpper(attribute[:1]) + attribute[1:]
	switch d.Kind {
	case "counter":
		fmt.Fprintf(&p.parts, "    %q: (%s, %s, 0, b\"\", None),\n", attribute, class, pyBytes(d.Name))
	case "map":
		key := p.typ(title+"Key", d.Key)
		value := p.typ(title+"Value", d.Type)
		fmt.Fprintf(&p.parts, "    %q: (%s, %s, 0x%016x, %s, %s, %s),\n", attribute, class, pyBytes(d.Name), d.Entry.Fingerprint(), pyBytes(d.Entry.String()), value, key)
	default:
		fmt.Fprintf(&p.parts, "    %q: (%s, %s, 0x%016x, %s, %s),\n", attribute, class, pyBytes(d.Name), d.Type.Fingerprint(), pyBytes(d.Type.String()), p.typ(title, d.Type))
	}
}

// pyReserved cannot be names of fields, classes or structures: keywords, and what the file itself has.
const pyReserved = ` False None True and as assert async await break class continue def del elif else except finally for from global if import ` +
	`in is lambda nonlocal not or pass raise return try while with yield close readonly open collections ctypes errno hashlib io math os platform ` +
	`subprocess sys tempfile threading time Removed Changed Damaged Full Closed Busy NeedsCompiler Region Counter Var Chan Map Topic Subscription `

// name returns a name that nothing else has.
func (p *pyWriter) name(of, suffix string) string {
	name := strings.TrimLeft(of, "_") + suffix
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "x" + name
	}
	for strings.Contains(pyReserved, " "+name+" ") || p.used[name] {
		name += "_"
	}
	p.used[name] = true
	return name
}

// typ declares the classes of a type, and returns its _Type.
func (p *pyWriter) typ(name string, t *shape.Type) string {
	root := t.Root()
	var offsets, strs strings.Builder
	ctype, _ := p.ctype(name, root, &offsets)
	pyTexts(&strs, root, 0)
	var blanks strings.Builder
	for _, run := range shape.Blank(t.Size(), []shape.Field{root}) {
		fmt.Fprintf(&blanks, "(%d, %d), ", run.From, run.To)
	}
	return fmt.Sprintf("_Type(%s, %d, (%s), (%s), (%s))", ctype, t.Size(), offsets.String(), strs.String(), blanks.String())
}

var pyKinds = map[string]string{
	"bool": "c_bool", "i8": "c_int8", "i16": "c_int16", "i32": "c_int32", "i64": "c_int64", "u8": "c_uint8", "u16": "c_uint16",
	"u32": "c_uint32", "u64": "c_uint64", "f32": "c_float", "f64": "c_double", "str": "c_char",
}

// ctype returns the expression for a field's type, and its alignment, and declares the structs that it needs.
func (p *pyWriter) ctype(name string, f shape.Field, offsets *strings.Builder) (text string, align int) {
	switch {
	case f.Kind == "str":
		return fmt.Sprintf("ctypes.c_char * %d", max(f.Count, 1)), 1
	case f.Kind == "c64":
		text, align = "ctypes.c_float * 2", 4
	case f.Kind == "c128":
		text, align = "ctypes.c_double * 2", 8
	case f.Kind != "":
		text, align = "ctypes."+pyKinds[f.Kind], f.Size
	case len(f.Fields) == 1 && f.Fields[0].Name == "": // an array of arrays
		text, align = p.ctype(name, f.Fields[0], offsets)
	default:
		text, align = p.class(name, f, offsets)
	}
	if f.Count > 0 {
		text = fmt.Sprintf("(%s) * %d", text, f.Count)
	}
	return text, align
}

func (p *pyWriter) class(name string, f shape.Field, offsets *strings.Builder) (string, int) {
	name = p.name(name, "")
	var fields strings.Builder
	used, end, align := map[string]bool{}, 0, 1
	pad := func(to, align int) { // where ctypes would not leave as much
		if natural := (end + align - 1) / align * align; to != natural {
			fmt.Fprintf(&fields, "        (\"_pad%d\", ctypes.c_uint8 * %d),\n", end, to-end)
		}
		end = to
	}
	for _, inner := range f.Fields {
		if inner.Name == "_" {
			continue // it is padding
		}
		field := strings.TrimLeft(cName(inner.Name), "_")
		for field == "" || strings.Contains(pyReserved, " "+field+" ") || used[field] {
			field += "_"
		}
		used[field] = true
		text, need := p.ctype(name+"_"+field, inner, offsets)
		pad(inner.Offset, need)
		fmt.Fprintf(&fields, "        (%q, %s),\n", field, text)
		fmt.Fprintf(offsets, "(%s, %q, %d), ", name, field, inner.Offset)
		end = inner.Offset + inner.Bytes()
		align = max(align, need)
	}
	pad(f.Size, align)
	fmt.Fprintf(p, "\n\nclass %s(ctypes.Structure):\n    _fields_ = [\n%s    ]\n", name, fields.String())
	return name, align
}

// pyTexts writes where the texts of a field lie.
func pyTexts(to *strings.Builder, f shape.Field, at int) {
	at += f.Offset
	switch {
	case f.Kind == "str":
		fmt.Fprintf(to, "(%d, %d), ", at, f.Bytes())
	case f.Kind == "":
		for i := range max(f.Count, 1) {
			for _, inner := range f.Fields {
				pyTexts(to, inner, at+i*f.Size)
			}
		}
	}
}

// pyBytes is bytes of others as a literal of Python: nothing ends it early.
func pyBytes(s string) string {
	var b strings.Builder
	b.WriteString(`b"`)
	for _, c := range []byte(s) {
		if slices.Contains([]byte(`"\`), c) || c < ' ' || c > '~' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

// pyText is text for a docstring.
func pyText(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }
