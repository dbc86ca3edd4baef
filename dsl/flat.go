package dsl

func (b *builder) flat() {}
