/** Templates made from recipes: queue, workers, steps. */
@NullMarked
package dev.wrenn.control.build;

import org.jspecify.annotations.NullMarked;
