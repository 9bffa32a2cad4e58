{% test contains(model, column_name, value) %}

select count(*) as occurrences
from {{ model }}
where {{ column_name }} = {{ value }}
having count(*) = 0

{% endtest %}
