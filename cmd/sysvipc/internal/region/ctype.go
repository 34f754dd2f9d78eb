package region

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sysvipc/sysvipc/shared/shape"
)

// cKinds are the kinds of numbers in C.
var cKinds = map[string]string{
	"bool": "bool", "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t", "u8": "uint8_t", "u16": "uint16_t",
	"u32": "uint32_t", "u64": "uint64_t", "f32": "float", "f64": "double", "c64": "float _Complex", "c128": "double _Complex", "str": "char",
}

// declare declares a type with this name, and returns how to call it.
func (c *cWriter) declare(name string, typ *shape.Type) (string, error) {
	root := typ.Root()
	if root.Kind == "" && root.Count == 0 {
		body, asserts, _, err := cStruct(root, "struct "+name, "", 1)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(c, "struct %s {\n%s};\n_Static_assert(sizeof(struct %s) == %d, \"size\");\n%s", name, body, name, typ.Size(), asserts)
		return "struct " + name, nil
	}
	// What is no struct gets a name, too.
	text, asserts, _, err := cField(root, name, name, "", 0)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(c, "typedef %s\n_Static_assert(sizeof(%s) == %d, \"size\");\n%s", strings.TrimLeft(text, "\t"), name, typ.Size(), asserts)
	return name, nil
}

// cStruct returns the members of a struct, what to assert of the offsets, and the
// alignment. Outer is the whole type, and path leads to the struct.
func cStruct(f shape.Field, outer, path string, depth int) (body, asserts string, align int, err error) {
	used := map[string]bool{}
	end, align := 0, 1
	pad := func(to int) {
		if to > end {
			body += fmt.Sprintf("%sunsigned char _pad%d[%d];\n", strings.Repeat("\t", depth), end, to-end)
			end = to
		}
	}
	for _, inner := range f.Fields {
		name := cName(inner.Name)
		if inner.Name == "_" {
			name = fmt.Sprintf("_blank%d", inner.Offset)
		}
		for used[name] {
			name += "_"
		}
		used[name] = true
		member := name
		if path != "" {
			member = path + "." + name
		}
		text, more, need, err := cField(inner, name, outer, member, depth)
		if err != nil {
			return "", "", 0, err
		}
		if inner.Offset%need != 0 {
			return "", "", 0, fmt.Errorf("%s does not lie where C would put it", inner.Name)
		}
		if natural := (end + need - 1) / need * need; natural != inner.Offset {
			pad(inner.Offset)
		}
		body += text
		asserts += fmt.Sprintf("_Static_assert(offsetof(%s, %s) == %s%d, \"offset\");\n", outer, member, base(outer, path), inner.Offset) + more
		end = inner.Offset + inner.Size*max(inner.Count, 1)
		align = max(align, need)
	}
	if whole := (end + align - 1) / align * align; whole != f.Size {
		pad(f.Size)
	}
	return body, asserts, align, nil
}

// base is the offset of the struct that a path leads to, to which something is added.
func base(outer, path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf("offsetof(%s, %s) + ", outer, path)
}

// cField returns the declaration of one member.
func cField(f shape.Field, name, outer, path string, depth int) (text, asserts string, align int, err error) {
	indent := strings.Repeat("\t", depth)
	dimension := ""
	if f.Count > 0 {
		dimension = fmt.Sprintf("[%d]", f.Count)
	}
	if f.Kind != "" {
		align = min(f.Size, 8)
		if f.Kind == "c64" {
			align = 4
		}
		return fmt.Sprintf("%s%s %s%s;\n", indent, cKinds[f.Kind], name, dimension), "", align, nil
	}
	// An array of arrays.
	if len(f.Fields) == 1 && f.Fields[0].Name == "" {
		return cField(f.Fields[0], name+dimension, outer, path, depth)
	}
	if f.Count > 0 && path != "" {
		path += "[0]"
	}
	if strings.Contains(name, "[") && f.Count > 0 || path == "" {
		path = "" // offsetof has no way to it; the sizes and the offsets around it are asserted
		outer = ""
	}
	body, asserts, align, err := cStruct(f, outer, path, depth+1)
	if outer == "" {
		asserts = ""
	}
	return fmt.Sprintf("%sstruct {\n%s%s} %s%s;\n", indent, body, indent, name, dimension), asserts, align, err
}

// cKeywords cannot be names in C or C++, and neither can some macros of the headers.
const cKeywords = ` auto bool break case char const continue default do double else enum extern false float for goto if inline int long register restrict ` +
	`return short signed sizeof static struct switch true typedef union unsigned void volatile while alignas alignof asm constexpr nullptr ` +
	`and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept consteval constinit const_cast ` +
	`decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq operator or or_eq private protected public ` +
	`reinterpret_cast requires static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq ` +
	`CHAR_BIT CHAR_MAX CHAR_MIN INT_MAX INT_MIN LONG_MAX LONG_MIN PATH_MAX SIZE_MAX UINT_MAX ULONG_MAX ` +
	`static_assert thread_local typeof typeof_unqual errno NULL EOF stdin stdout stderr assert unix linux i386 offsetof INFINITY NAN `

// cName makes a name of C of any text.
func cName(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '_' || r < 0x80 && unicode.IsLetter(r), r < 0x80 && unicode.IsDigit(r) && i > 0:
			b.WriteRune(r)
		case r < 0x80 && unicode.IsDigit(r):
			b.WriteString("_" + string(r))
		case strings.ContainsRune("-./: ", r):
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "_u%04x", r)
		}
	}
	name := b.String()
	if strings.Contains(cKeywords, " "+name+" ") {
		return name + "_"
	}
	if len(name) > 1 && name[0] == '_' && (name[1] == '_' || unicode.IsUpper(rune(name[1]))) {
		return "x" + name // those of the compiler begin so
	}
	if name == "" {
		return "_"
	}
	return name
}

// cText is text of others for strings and comments of C: nothing ends them early.
func cText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))) || strings.IndexByte("_-.,:;()[]{} ", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return b.String()
}
