{#- The form in which two spellings count as one: lower case, single blanks, none around. -#}
{% macro normalised_text(text) -%}
    {{ return(adapter.dispatch('normalised_text')(text)) }}
{%- endmacro %}

{#- 00A0 and 202F are the no-break blanks that spreadsheets put into copied names. -#}
{% macro default__normalised_text(text) -%}
    nullif(trim(lower(regexp_replace({{ text }}, '[\\s\\u00A0\\u202F]+', ' '))), '')
{%- endmacro %}

{% macro duckdb__normalised_text(text) -%}
    nullif(trim(lower(regexp_replace({{ text }}, '[\s\x{00A0}\x{202F}]+', ' ', 'g'))), '')
{%- endmacro %}
