{#-
    The pieces of a line, negative when returned. The amount decides on the direction, as some
    lists print the quantity of a return positive; an amount alone is one piece at that price.
-#}
{% macro signed_pieces(quantity, amount) -%}
    case
        when {{ amount }} < 0 or ({{ amount }} = 0 and {{ quantity }} < 0)
            then -coalesce(nullif(abs({{ quantity }}), 0), 1)
        else coalesce(nullif(abs({{ quantity }}), 0), 1)
    end
{%- endmacro %}
