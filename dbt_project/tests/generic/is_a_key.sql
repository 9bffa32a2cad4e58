{#- Every row has a value, and no two rows have the same: one question instead of two. -#}
{% test is_a_key(model, column_name) %}

select
    {{ column_name }} as value,
    count(*) as occurrences
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null

{% endtest %}
