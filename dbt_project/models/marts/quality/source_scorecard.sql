with

answers as (
    select * from {{ ref('stg_quality__source_answers') }}
),

final as (
    select
        source,
        run_at,
        max(run_id) as run_id,
        {% for number in range(1, 11) %}
            max(case when question = 'A{{ number }}' then score end) as a{{ number }}_score,
            max(case when question = 'A{{ number }}' then figure end) as a{{ number }}_figure,
            max(case when question = 'A{{ number }}' then value end) as a{{ number }}_value,
        {% endfor %}
        max(total) as total_score,
        max(trend) as total_score_trend,
        max(priority) as priority_rank
    from answers
    group by source, run_at
)

select * from final
