package torch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/incc-lang/incc/ir"
)

// lineLength is the longest line of generated Python, as ruff and black have it.
const lineLength = 88

// quote returns a Python string. All but printable ASCII is escaped, so that no name can end
// the string or hide in it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// docText returns text that can stand in a docstring or a comment.
func docText(s string) string {
	q := quote(s)
	q = q[1 : len(q)-1]
	return strings.ReplaceAll(q, `\"`, `'`)
}

// float prints a number as Python does.
func float(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// reserved are names that an attribute of an nn.Module must not have, besides those that
// begin with an underscore: keywords of Python and members of nn.Module.
var reserved = wordSet(`
False None True and as assert async await break class continue def del elif else except finally
for from global if import in is lambda nonlocal not or pass raise return try while with yield
match case type print self torch nn F Tensor dtype int float bool str tuple list dict len range
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule
half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict
to to_empty train training xpu zero_grad predict`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}

// identifier makes a Python identifier of a name: 3a becomes part_3a. Different names may
// become the same identifier.
func identifier(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_') {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	s := strings.Trim(b.String(), "_")
	if s == "" {
		return "part"
	}
	if unicode.IsDigit(rune(s[0])) || reserved[s] {
		return "part_" + s
	}
	return s
}

// className makes the name of a class of an identifier: mlp_conv becomes MlpConv.
func className(name string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(identifier(name), "_") {
		if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// unique returns the first of name, name_2, name_3 and so on that is free, and takes it.
func unique(taken map[string]bool, name string) string {
	s := name
	for i := 2; taken[s]; i++ {
		s = fmt.Sprintf("%s_%d", name, i)
	}
	taken[s] = true
	return s
}

// pair prints one number if both are the same, a tuple otherwise.
func pair(p ir.HW) string {
	if p[0] == p[1] {
		return strconv.Itoa(p[0])
	}
	return fmt.Sprintf("(%d, %d)", p[0], p[1])
}

// breakLine prints a statement of one line as the formatters black and ruff do: if the line is
// too long, the contents of the last brackets go on lines of their own.
func breakLine(indent, text, end string) string {
	if len(indent)+len(text)+len(end) <= lineLength {
		return indent + text + end + "\n"
	}
	open := lastBracket(text)
	if open < 0 || open == len(text)-2 {
		return indent + text + end + "\n"
	}
	head, inner, tail := text[:open+1], text[open+1:len(text)-1], text[len(text)-1:]
	in := indent + "    "
	var b strings.Builder
	b.WriteString(indent + head + "\n")
	if args := splitArgs(inner); len(in)+len(inner) <= lineLength {
		b.WriteString(in + inner + "\n")
	} else if len(args) == 1 && tail == ")" && !strings.HasSuffix(inner, ",") { // not a tuple
		b.WriteString(breakLine(in, args[0], ""))
	} else {
		for _, a := range args {
			b.WriteString(breakLine(in, a, ","))
		}
	}
	b.WriteString(indent + tail + end + "\n")
	return b.String()
}

// lastBracket returns the place of the bracket that the last byte of text closes, -1 if it
// does not close one.
func lastBracket(text string) int {
	text = masked(text)
	depth := 0
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			depth--
		}
		if depth == 0 {
			if i == len(text)-1 {
				return -1
			}
			return i
		}
	}
	return -1
}

var stringText = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// masked returns text with the contents of strings replaced, byte for byte.
func masked(text string) string {
	return stringText.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("s", len(s)) })
}

// splitArgs splits the arguments of a call at the commas outside of brackets.
func splitArgs(text string) []string {
	var args []string
	depth, from := 0, 0
	mask := masked(text)
	for i := range len(mask) {
		switch mask[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(text[from:i]))
				from = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		args = append(args, rest)
	}
	return args
}
