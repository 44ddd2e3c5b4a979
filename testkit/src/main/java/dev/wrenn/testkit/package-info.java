/** Test ground: conditions, seeded generators, inventories, architecture rules. */
@NullMarked
package dev.wrenn.testkit;

import org.jspecify.annotations.NullMarked;
