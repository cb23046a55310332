// A block of rows as intake hands it over, as bytes: what the checkpoint of the rows is made of.
#pragma once

#include <cstddef>
#include <span>

#include "io/intake.hpp"
#include "io/packing.hpp"

namespace ligature {

// Appends the block.
void pack(const RowBlock& block, Packer& packer);

// block: its memory is used again.  Throws Error unless the bytes are a block of these inputs that RowStore can take:
// every count, code and index of it fits the others.
void unpack(std::span<const std::byte> bytes, const Inputs& inputs, RowBlock& block);

}  // namespace ligature
