with

interests as (
    {{ current_records(source('raw_mailchimp', 'interests'), ['list_id', 'id']) }}
),

final as (
    select
        list_id || ':' || id as list_interest_id,
        list_id,
        id as interest_id,
        {{ cleaned_text('category_title') }} as question,
        {{ cleaned_text('name') }} as interest_name,
        _load_id as load_id
    from interests
)

select * from final
