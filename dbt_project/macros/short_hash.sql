{#- The first 16 hexadecimal digits of the MD5: a name for a key that does not tell the key. -#}
{% macro short_hash(expression) -%}
    left({{ dbt.hash(expression) }}, 16)
{%- endmacro %}
