package vasm

import "fmt"

// Load and Store move registers that lie side by side in memory.
func (k *Func) Load(d []V, a Addr)  { k.load(d, a) }
func (k *Func) Store(s []V, a Addr) { k.store(s, a) }

// Copy is d = s.
func (k *Func) Copy(d, s []V) {
	for i := range d {
		k.copyV(d[i], s[i])
	}
}

// Zero is d = 0.
func (k *Func) Zero(d ...V) {
	for _, v := range d {
		k.zero(v)
	}
}

// FMA is d += a*b with one rounding.
func (k *Func) FMA(d, a, b V) { k.fma(d, a, b) }

// FMAMem is FMA with what lies at b, FNMA d -= a*b with one rounding.
func (k *Func) FMAMem(d, a V, b Addr) { k.fmaMem(d, a, b) }
func (k *Func) FNMA(d, a, b V)        { k.fnma(d, a, b) }

// FMAConst is d += a*c, FNMAConst d -= a*c, each with one rounding, for one of the constants that
// LoadConsts has loaded: on amd64 they stay in memory, on arm64 they are elements of registers.
func (k *Func) FMAConst(d, a V, c float32)  { k.fmaConst(d, a, c, false) }
func (k *Func) FNMAConst(d, a V, c float32) { k.fmaConst(d, a, c, true) }
func (k *Func) LoadConsts(c []float32)      { k.loadConsts(c) }

// Vector operations with one rounding each.
func (k *Func) AddV(d, a, b V) { k.do(Add, Block{d}, Block{a}, Block{b}) }
func (k *Func) SubV(d, a, b V) { k.do(Sub, Block{d}, Block{a}, Block{b}) }
func (k *Func) MulV(d, a, b V) { k.do(Mul, Block{d}, Block{a}, Block{b}) }

// Constant fills a register of its own.
func (k *Func) Constant(c float32) V {
	d := k.V()
	k.constant(d, c)
	return d
}

// Fill is d = c in all lanes.
func (k *Func) Fill(d V, c float32) { k.constant(d, c) }

// BroadcastArg fills d with a parameter of type float32.
func (k *Func) BroadcastArg(d V, name string) { k.broadcastArg(d, name, k.args[name]) }

// ScaleAdd is d = scale*d + what lies at a, with one rounding. NEON takes two temporaries a
// register.
func (k *Func) ScaleAdd(d []V, scale V, a Addr) { k.scaleAdd(d, scale, a) }

// MaxZero is d = max(d, 0); NaN and -0 pass. zero holds zeros.
func (k *Func) MaxZero(d []V, zero V) {
	for _, v := range d {
		k.maxZero(v, zero)
	}
}

// Limit is d = min(d, most); NaN passes.
func (k *Func) Limit(d []V, most V) {
	for _, v := range d {
		k.limit(v, most)
	}
}

// KeepPositive zeroes d where what lies at a is neither above zero nor NaN. zero holds zeros.
// It asks for what lies ahead bytes further, if that is not 0. n tells the calls that follow one
// another apart, so that they do not wait for one another.
func (k *Func) KeepPositive(d []V, a Addr, zero V, n, ahead int) {
	defer k.line()()
	if ahead > 0 {
		k.prefetch(1, a.Plus(ahead))
	}
	k.keepPositive(d, a, zero, n)
}

// MultiplyAddMem is acc += x * the float32 at a, register by register, fused.
func (k *Func) MultiplyAddMem(acc, x []V, a Addr) { k.multiplyAddMem(acc, x, a) }

// MultiplyAddBroadcast is the same; AVX-512 takes a single product's float32 from memory.
func (k *Func) MultiplyAddBroadcast(acc, x []V, a Addr) {
	if m, ok := k.machine.(*amd64); ok && m.wide() && len(acc) == 1 {
		k.op("VFMADD231PS.BCST %s, %s, %s", m.a(a), m.v(x[0]), m.v(acc[0]))
		return
	}
	k.multiplyAddMem(acc, x, a)
}

// Parts calls body for a register of a block, and on tiers whose blocks have several loops over
// them: body works at the beginning of a block, and these pointers move from register to register.
// Afterwards they point behind the block. n is a register to count with.
func (k *Func) Parts(n Reg, label string, pointers []Reg, body func()) {
	if k.Tier.Per > 1 {
		k.Set(n, k.Tier.Per)
		k.Label(label)
	}
	body()
	for _, p := range pointers {
		k.AddInt(p, k.Tier.bytes())
	}
	if k.Tier.Per > 1 {
		k.Repeat(n, 1, label)
	}
}

// Broadcast fills d with the float32 at a.
func (k *Func) Broadcast(d V, a Addr) { k.broadcast(d, a) }

// Prefetch asks for a line into the cache of that level (1 or 2).
func (k *Func) Prefetch(level int, a Addr) { k.prefetch(level, a) }

// Arg loads a parameter into a register of its own.
func (k *Func) Arg(name string) Reg {
	off, ok := k.args[name]
	if !ok {
		panic("no parameter " + name)
	}
	d := k.Reg()
	if k.types[name] == "float32" || k.types[name] == "uint32" {
		panic("parameter " + name + " has 32 bits: take BroadcastArg")
	}
	k.arg(d, name, off)
	return d
}

// LoadInt, StoreInt and AddMem move or add an integer of 64 bits in memory.
func (k *Func) LoadInt(d Reg, a Addr)  { k.loadInt(d, a) }
func (k *Func) StoreInt(s Reg, a Addr) { k.storeInt(s, a) }
func (k *Func) AddMem(d Reg, a Addr)   { k.addMem(d, a) }

// AddToMem adds s to an integer in memory; RepeatMem subtracts 1 from one and jumps unless it is 0.
func (k *Func) AddToMem(a Addr, s Reg)     { k.addToMem(a, s) }
func (k *Func) RepeatMem(a Addr, l string) { k.repeatMem(a, l) }

// ArgAddr is where a parameter is, for LoadInt and AddMem.
func (k *Func) ArgAddr(name string) Addr {
	off, ok := k.args[name]
	if !ok {
		panic("no parameter " + name)
	}
	return Addr{Index: noReg, arg: fmt.Sprintf("%s+%d(FP)", name, off)}
}

// NewInt is LoadInt into a register of its own.
func (k *Func) NewInt(a Addr) Reg {
	d := k.Reg()
	k.loadInt(d, a)
	return d
}

// Move is d = s, Add d += s, AddInt d += n, AddScaled d = a + s*scale (1, 2, 4 or 8).
func (k *Func) Move(d, s Reg)                    { k.move(d, s) }
func (k *Func) Add(d, s Reg)                     { k.add(d, s) }
func (k *Func) AddInt(d Reg, n int)              { k.addInt(d, n) }
func (k *Func) AddScaled(d, a, s Reg, scale int) { k.addScaled(d, a, s, scale) }

// Set is d = n, Lea d = s + n, Sub d -= s, MulInt d = s*n, ShiftLeft d <<= n.
func (k *Func) Set(d Reg, n int)       { k.setInt(d, n) }
func (k *Func) Lea(d, s Reg, n int)    { k.leaInt(d, s, n) }
func (k *Func) Sub(d, s Reg)           { k.sub(d, s) }
func (k *Func) MulInt(d, s Reg, n int) { k.mulInt(d, s, n) }
func (k *Func) ShiftLeft(d Reg, n int) { k.shiftLeft(d, n) }

// IfLess and IfAtLeast jump if r compares so with n.
func (k *Func) IfLess(r Reg, n int, l string)    { k.jumpCompare(r, n, true, l) }
func (k *Func) IfAtLeast(r Reg, n int, l string) { k.jumpCompare(r, n, false, l) }

// SubIfLess and SubIfAtLeast are r -= n and a jump if r is then below 0, or is not.
func (k *Func) SubIfLess(r Reg, n int, l string)    { k.subtractIf(r, n, true, l) }
func (k *Func) SubIfAtLeast(r Reg, n int, l string) { k.subtractIf(r, n, false, l) }

// AndMask is d &= mask, an expression of constants.
func (k *Func) AndMask(d Reg, mask string) { k.andMask(d, mask) }

// Label is a place to jump to; Jump goes there, the others if r is zero, is not, has any bit of the
// mask (an expression of constants), or none.
func (k *Func) Label(l string)                { fmt.Fprintf(&k.f.text, "%s:\n", l) }
func (k *Func) Jump(l string)                 { k.jump(l) }
func (k *Func) IfZero(r Reg, l string)        { k.jumpIfZero(r, true, l) }
func (k *Func) IfNotZero(r Reg, l string)     { k.jumpIfZero(r, false, l) }
func (k *Func) IfAny(r Reg, mask, l string)   { k.jumpIfMask(r, mask, true, l) }
func (k *Func) IfNone(r Reg, mask, l string)  { k.jumpIfMask(r, mask, false, l) }
func (k *Func) Repeat(r Reg, n int, l string) { k.subtractJump(r, n, l) } // r -= n, and jumps unless it is 0
func (k *Func) Align(n int)                   { k.align(n) }              // a loop begins at a multiple of n bytes (amd64)
func (k *Func) Return()                       { k.ret() }
