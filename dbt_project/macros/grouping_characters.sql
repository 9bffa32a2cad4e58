{#- What groups digits and is passed over in a number: any blank, and the Swiss apostrophe. -#}
{% macro grouping_characters() -%}
    {{ return(adapter.dispatch('grouping_characters')()) }}
{%- endmacro %}

{% macro default__grouping_characters() -%}
    ' \t\n\r\u00A0\u202F\''
{%- endmacro %}

{% macro duckdb__grouping_characters() -%}
    ' ''' || chr(9) || chr(10) || chr(13) || chr(160) || chr(8239)
{%- endmacro %}
