{#- The blanks that may stand in a number: space, tab and the two no-break blanks. -#}
{% macro blank_characters() -%}
    {{ return(adapter.dispatch('blank_characters')()) }}
{%- endmacro %}

{% macro default__blank_characters() -%}
    ' \t\u00A0\u202F'
{%- endmacro %}

{% macro duckdb__blank_characters() -%}
    ' ' || chr(9) || chr(160) || chr(8239)
{%- endmacro %}
